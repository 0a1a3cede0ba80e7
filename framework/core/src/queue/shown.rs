//! What watches show: the newest state of each object waits for its turn.

use super::{
    Queue,
    backlog::Pending,
    departure::Evidence,
    entry::{Entry, Life},
    event::{Event, Source},
    turn::WatchEventType,
};
use crate::{Uid, body::Body, version::News};
use std::time::Instant;

/// How a watch shows a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// By an event of its own.
    Changed,
    /// By a listing.
    Listed,
    /// By a listing that may show another state of the same version.
    Revised,
    /// By a listing that was asked for because of other objects.
    Again,
}

impl Queue {
    /// Takes in an event of a watch. Returns the objects that it shows to be gone though no event of their own has: their
    /// names, namespaces and uids; and their labels, where event handlers may ask for them.
    pub fn observe(&mut self, source: Source, event: Event, now: Instant) -> Vec<Body> {
        if let Event::Listed(body) | Event::Applied(body) | Event::Deleted(body) = &event
            && self.is_of_another(source, body)
        {
            return Vec::new();
        }
        match event {
            Event::Listing => self.list(source, Shown::Listed),
            Event::ListingRevised => self.list(source, Shown::Revised),
            Event::ListingAgain => self.list(source, Shown::Again),
            Event::Listed(body) => {
                let mut shown = Shown::Listed;
                if let Some(listing) = self.listings.get_mut(&source) {
                    listing.seen.insert(body.uid().into());
                    shown = listing.shown;
                }
                self.applied(source, body, shown, now);
            }
            Event::ListingDone => return self.bury_unlisted(source, now),
            Event::Applied(body) => self.applied(source, body, Shown::Changed, now),
            Event::Deleted(body) => self.gone(&body, Evidence::Shown, now),
            Event::Withdrawn => return self.withdraw(source, now),
        }
        Vec::new()
    }

    /// Whether an object is known as one of another kind. Some APIs show the objects of others, under the same uids: each is
    /// an object of the kind that has shown it first.
    pub(super) fn is_of_another(&self, source: Source, body: &Body) -> bool {
        self.objects.get(&Uid::from(body.uid())).is_some_and(|entry| entry.source.kind != source.kind)
    }

    pub(super) fn applied(&mut self, source: Source, body: Body, shown: Shown, now: Instant) {
        let (uid, needs) = (Uid::from(body.uid()), self.needs(source));
        if !self.readmit(source, &body, shown) {
            return;
        }
        let listed = shown != Shown::Changed;
        let event = match self.objects.contains_key(&uid) {
            _ if listed => WatchEventType::Listed,
            true => WatchEventType::Modified,
            false => WatchEventType::Added,
        };
        let entry = self.objects.entry(uid.clone()).or_insert_with(|| {
            self.sources.entry(source).or_default().insert(uid.clone());
            let entry = Entry::new(source, &body, listed).of(self.ownership.has(&uid));
            self.names.insert(&entry, &uid);
            entry
        });
        if needs.turnless || !entry.ours {
            return;
        }
        let gone = entry.life == Life::Gone || matches!(self.backlog.get(&uid), Some(Pending::Gone(_)));
        if entry.life == Life::Buried || gone && !needs.selected {
            return;
        }
        let news = entry.show(&body, needs, self.limits.trust, now);
        // Event handlers have been called for it.
        let is_known = shown == Shown::Again && news == News::None && !gone;
        if needs.events && !is_known {
            entry.event = Some(event);
        }
        match news {
            News::Newer => self.backlog.keep(&uid, Pending::Body(body.into())),
            // One that is being deleted may be gone by our own write, which leaves its last version as it was.
            News::None
                if shown == Shown::Revised && entry.is_newest(&body) && !gone && !body.is_deleting() =>
            {
                self.backlog.keep(&uid, Pending::Body(body.into()));
            }
            News::None if is_known => return,
            News::None if !gone && needs.events => return self.echo(uid, body),
            News::None if !gone => return,
            // One that a selector shows again is to be handled, whatever its version.
            News::None | News::Doubtful => self.backlog.put(&uid, Pending::Fetch),
        }
        self.enqueue(uid, now);
    }

    /// Takes in a state that is news for event handlers alone.
    pub(super) fn echo(&mut self, uid: Uid, body: Body) {
        match self.backlog.get(&uid) {
            // It is due, and waits for its turn.
            None if self
                .objects
                .get(&uid)
                .is_some_and(|entry| entry.queued && (entry.turn_due || entry.is_resumed_next())) =>
            {
                self.backlog.put(&uid, Pending::Fetch);
            }
            None | Some(Pending::Echo(_)) => {
                self.backlog.keep(&uid, Pending::Echo(body));
                self.take_turn(uid);
            }
            // It is handled anyway.
            Some(_) => {}
        }
    }
}
