//! First listing of each kind: how many objects it has shown, and whether it is complete.

use korf_core::queue::{Event, Source};
use std::collections::HashMap;

/// The first listings of an operator's watches.
#[derive(Clone, Debug, Default)]
pub struct FirstListings {
    watches: HashMap<Source, Listing>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    objects: usize,
    complete: bool,
}

impl FirstListings {
    /// Takes in an event of a watch; returns whether it completes the watch's first listing.
    pub fn observe(&mut self, source: Source, event: &Event) -> bool {
        let listing = self.watches.entry(source).or_default();
        if listing.complete {
            return false;
        }
        match event {
            // One that was broken off begins again.
            Event::Listing | Event::ListingRevised => listing.objects = 0,
            Event::Listed(_) => listing.objects += 1,
            Event::ListingDone => listing.complete = true,
            Event::Applied(_) | Event::Deleted(_) => {}
        }
        listing.complete
    }

    /// The number of objects of a kind; none while any of its watches, of which there are this many, isn't complete.
    pub fn of_kind(&self, kind: u32, watches: usize) -> Option<usize> {
        let complete =
            || self.watches.iter().filter(|(source, listing)| source.kind == kind && listing.complete);
        (complete().count() == watches).then(|| complete().map(|(_, listing)| listing.objects).sum())
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
        assert_eq!(listings.of_kind(0, 2), None, "one of two");
        assert_eq!(listings.of_kind(1, 1), Some(1));
        assert!(listings.observe(source(0, 1), &Event::ListingDone));
        assert_eq!(listings.of_kind(0, 2), Some(3), "those of a listing that was broken off don't count");
        assert!(!listings.observe(source(0, 1), &Event::ListingDone), "a later listing");
    }
}
