//! First listings: how many objects each place of a kind has shown, and whether it is complete.

use korf_core::queue::{Event, Source};
use std::collections::{HashMap, HashSet};

/// The first listings of an operator's watches.
#[derive(Clone, Debug, Default)]
pub struct FirstListings {
    watches: HashMap<Source, Listing>,
    /// The kinds that were complete once: what comes later is told by itself.
    told: HashSet<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    objects: usize,
    complete: bool,
}

impl FirstListings {
    /// Takes in an event of a watch; returns whether it completes the watch's first listing.
    pub fn observe(&mut self, source: Source, event: &Event) -> bool {
        if matches!(event, Event::Withdrawn) {
            // Should it come back, that is news.
            self.watches.remove(&source);
            return false;
        }
        let listing = self.watches.entry(source).or_default();
        if listing.complete {
            return false;
        }
        match event {
            // One that was broken off begins again.
            Event::Listing | Event::ListingRevised | Event::ListingAgain => listing.objects = 0,
            Event::Listed(_) => listing.objects += 1,
            Event::ListingDone => listing.complete = true,
            Event::Applied(_) | Event::Deleted(_) | Event::Withdrawn => {}
        }
        listing.complete
    }

    /// Forgets a kind that is gone.
    pub fn forget(&mut self, kind: u32) {
        self.watches.retain(|source, _| source.kind != kind);
        self.told.remove(&kind);
    }

    /// Whether a kind was complete once.
    pub fn is_told(&self, kind: u32) -> bool {
        self.told.contains(&kind)
    }

    /// The number of objects in these places, all those of a kind, if they are complete for the first time.
    pub fn tell(&mut self, kind: u32, places: impl IntoIterator<Item = u32>) -> Option<usize> {
        let objects =
            places.into_iter().map(|place| self.of_place(Source { kind, place })).sum::<Option<usize>>()?;
        self.told.insert(kind).then_some(objects)
    }

    /// The number of objects in a place; none while it isn't complete.
    pub fn of_place(&self, source: Source) -> Option<usize> {
        self.watches.get(&source).filter(|listing| listing.complete).map(|listing| listing.objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_listed_once_all_its_watches_are() {
        let mut listings = FirstListings::default();
        let source = |kind, place| Source { kind, place };
        let object = || Event::Listed(json!({}).into());
        for (source, events) in [
            (
                source(0, 0),
                vec![Event::Listing, object(), Event::Listing, object(), object(), Event::ListingDone],
            ),
            (source(1, 0), vec![Event::Listing, object(), Event::ListingDone]),
            (source(0, 1), vec![Event::Listing, object()]),
        ] {
            for event in events {
                listings.observe(source, &event);
            }
        }
        assert_eq!(listings.tell(0, [0, 1]), None, "one of two");
        assert_eq!(listings.tell(1, [0]), Some(1));
        assert!(listings.observe(source(0, 1), &Event::ListingDone));
        assert_eq!(listings.tell(0, [0, 1]), Some(3), "those of a listing that was broken off don't count");
        assert_eq!(listings.tell(0, [0, 1]), None, "once");
        assert!(!listings.observe(source(0, 1), &Event::ListingDone), "a later listing");
    }

    #[test]
    fn a_place_that_comes_back_is_listed_for_the_first_time() {
        let (mut listings, place) = (FirstListings::default(), Source { kind: 0, place: 0 });
        let list = |listings: &mut FirstListings| {
            [Event::Listing, Event::ListingDone].iter().any(|event| listings.observe(place, event))
        };
        assert!(list(&mut listings));
        assert!(!list(&mut listings));
        listings.observe(place, &Event::Withdrawn);
        assert_eq!(listings.of_place(place), None);
        assert!(list(&mut listings));
    }

    #[test]
    fn a_kind_without_places_is_listed() {
        assert_eq!(FirstListings::default().tell(0, []), Some(0));
    }
}
