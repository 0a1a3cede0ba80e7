//! Daemons: their tasks, from the start to the end.
//!
//! The reactor owns them. Workers offer the newest state of an object ([`Offer`]), and which of its daemons are for it; the
//! tasks tell that they have ended, or ask for a write. What follows is decided by [`DaemonState`].

mod edited;
mod object;
mod offer;
#[cfg(test)]
mod tests;

pub use edited::Edited;
pub use offer::{DaemonMemory, Offer};

use super::{
    kind::KindContext,
    observe::{Observation, Observer},
    triggers::wake_elsewhere,
};
use crate::call::{EditSink, LiveState};
use korf_core::{
    Uid,
    body::Body,
    daemon::StopReason,
    queue::{Event, Extent, Queue},
    retry::Outcome,
};
use object::{ObjectDaemons, Told};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// What the reactor is told of daemons. There is at most one message for each pass of a worker, each end, and each batch of
/// edits.
#[derive(Debug)]
pub enum News {
    /// The newest state of an object, and the daemons that are for it.
    Offer(Box<Offer>),
    /// A daemon of this object asks for a write.
    Edited(Uid),
    /// The task of a daemon has ended; without an outcome where it was cancelled.
    Ended(Uid, usize, Option<Outcome>),
}

/// Where the reactor is told of daemons.
#[derive(Clone, Debug, Default)]
pub struct DaemonNews(Option<UnboundedSender<News>>);

impl DaemonNews {
    fn tell(&self, news: News) {
        // Without a reactor, the operator has ended.
        let _ = self.0.as_ref().map(|sender| sender.send(news));
    }
}

/// What the daemons of one object share.
#[derive(Debug)]
pub struct ObjectLink {
    edits: EditSink,
    live: Arc<LiveState>,
}

impl ObjectLink {
    fn new(uid: &Uid, news: &DaemonNews) -> Self {
        let (uid, news) = (uid.clone(), news.clone());
        let edits = EditSink::waking(move || {
            news.tell(News::Edited(uid.clone()));
            wake_elsewhere();
        });
        Self { edits, live: Arc::default() }
    }

    #[cfg(test)]
    fn size() -> usize {
        size_of::<Self>() + EditSink::size() + size_of::<(Uid, DaemonNews)>() + size_of::<LiveState>()
    }

    /// Drops what can't be written any more, since the object is gone.
    fn drop_edits(&self, observer: &Observer) {
        let edits = self.edits.take().len();
        if edits > 0 {
            observer.observe(Observation::DaemonEditsDropped { edits, gone: true });
        }
    }
}

/// The daemons of all objects.
#[derive(Debug)]
pub struct Daemons {
    objects: BTreeMap<Uid, ObjectDaemons>,
    /// When something is to be done though nothing happens.
    alarms: BTreeSet<(Instant, Uid, usize)>,
    sender: DaemonNews,
    news: UnboundedReceiver<News>,
    /// The objects with changes that daemons have asked for, as long as no turn has taken these up.
    edited: Edited,
    /// The objects of shards that were left, as long as one of their daemons runs.
    left: BTreeSet<Uid>,
    /// The operator stops: none is started.
    stopping: bool,
}

impl Default for Daemons {
    fn default() -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        let sender = DaemonNews(Some(sender));
        let (objects, alarms, edited) = (BTreeMap::new(), BTreeSet::new(), Edited::default());
        Self { objects, alarms, sender, news, edited, left: BTreeSet::new(), stopping: false }
    }
}

impl Daemons {
    /// Where the workers tell what is new.
    pub fn sender(&self) -> DaemonNews {
        self.sender.clone()
    }

    /// Waits for what is new.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// What is new by now.
    pub fn try_next(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Takes in what is new; objects that are to have a turn get it.
    pub fn take_in(&mut self, news: News, queue: &mut Queue, now: Instant) {
        match news {
            News::Offer(offer) => self.offered(*offer, queue, now),
            News::Edited(uid) if queue.is_there(&uid) && !self.is_forgotten(&uid) => {
                queue.wake(&uid, Extent::Partial);
                self.edited.insert(uid, None);
            }
            News::Edited(uid) => self.objects.get(&uid).into_iter().for_each(ObjectDaemons::drop_edits),
            News::Ended(uid, index, outcome) => self.ended(&uid, index, outcome.as_ref(), queue, now),
        }
    }

    fn offered(&mut self, offer: Offer, queue: &mut Queue, now: Instant) {
        let uid = offer.uid.clone();
        // It may have been sent before the object was gone, or before its shard was left.
        if !queue.is_there(&uid) || !queue.serves(&uid) || !offer.fence.holds() || self.stopping {
            return;
        }
        let held = offer.held;
        if offer.body.is_deleting() {
            self.stop(&uid, StopReason::Deleted, now);
        } else if offer.wanted.contains(&true) || self.objects.contains_key(&uid) {
            let object = self.objects.entry(uid.clone()).or_insert_with(|| ObjectDaemons::new(&offer));
            if object.offered(offer, &self.sender, now) == Some(Told::Whole) {
                queue.wake(&uid, Extent::Whole);
            }
        }
        if held && !self.objects.get(&uid).is_some_and(ObjectDaemons::keeps) {
            queue.wake(&uid, Extent::Whole);
        }
        self.settle(&uid);
    }

    fn ended(&mut self, uid: &Uid, index: usize, outcome: Option<&Outcome>, queue: &mut Queue, now: Instant) {
        let told = self.objects.get_mut(uid).and_then(|object| object.ended(uid, index, outcome, now));
        match told {
            Some(Told::Whole) => queue.wake(uid, Extent::Whole),
            Some(Told::Partial) if !self.stopping => queue.wake(uid, Extent::Partial),
            _ => {}
        }
        self.settle(uid);
    }

    /// Takes in what the watch shows, before any worker does: a deletion ends the daemons at once.
    pub fn observe(&mut self, event: &Event, now: Instant) {
        if self.objects.is_empty() {
            return;
        }
        match event {
            Event::Applied(body) | Event::Listed(body) => self.show(body, now),
            Event::Deleted(body) => self.stop(&Uid::from(body.uid()), StopReason::Deleted, now),
            Event::Listing
            | Event::ListingRevised
            | Event::ListingAgain
            | Event::ListingDone
            | Event::Withdrawn => {}
        }
    }

    /// Takes in that an object is gone, though no event of its own shows that.
    pub fn observe_gone(&mut self, gone: &Body, now: Instant) {
        self.stop(&Uid::from(gone.uid()), StopReason::Deleted, now);
    }

    fn show(&mut self, body: &Body, now: Instant) {
        let uid = Uid::from(body.uid());
        let Some(object) = self.objects.get(&uid) else { return };
        object.show(body);
        if body.is_deleting() {
            self.stop(&uid, StopReason::Deleted, now);
        }
    }

    fn stop(&mut self, uid: &Uid, why: StopReason, now: Instant) {
        if let Some(object) = self.objects.get_mut(uid) {
            object.stop(why, now);
            self.settle(uid);
        }
    }

    /// Takes in that an object is forgotten: its daemons end, and nothing is remembered but those that haven't.
    pub fn forget(&mut self, uid: &Uid, now: Instant) {
        self.edited.remove(uid);
        if let Some(object) = self.objects.get_mut(uid) {
            object.forget(now);
            self.settle(uid);
        }
    }

    fn is_forgotten(&self, uid: &Uid) -> bool {
        self.objects.get(uid).is_some_and(ObjectDaemons::is_forgotten)
    }

    /// Tells those of these objects to stop, because another replica has the objects from now on.
    pub fn leave(&mut self, these: impl Fn(&Uid) -> bool, now: Instant) {
        for uid in self.of(these) {
            self.left.insert(uid.clone());
            self.stop(&uid, StopReason::HandedOver, now);
        }
    }

    /// Drops those of these objects, which another replica may have by now, with all that they have asked for.
    pub fn lose(&mut self, these: impl Fn(&Uid) -> bool, now: Instant) {
        self.edited.forget_all(&these);
        for uid in self.of(these) {
            if let Some(object) = self.objects.get_mut(&uid) {
                object.cut(now);
            }
            self.settle(&uid);
        }
    }

    /// Whether a daemon of these objects is waited for, after they were left, or something that one has asked for is to be
    /// written.
    pub fn are_busy(&self, these: impl Fn(&Uid) -> bool) -> bool {
        self.left.iter().any(&these) || self.edited.has(these)
    }

    /// Takes in that these objects are forgotten.
    pub fn forget_all(&mut self, these: impl Fn(&Uid) -> bool, now: Instant) {
        for uid in self.of(these) {
            self.forget(&uid, now);
        }
    }

    fn of(&self, these: impl Fn(&Uid) -> bool) -> Vec<Uid> {
        self.objects.keys().filter(|uid| these(uid)).cloned().collect()
    }

    /// Tells all of them to stop, because the operator does.
    pub fn stop_all(&mut self, now: Instant) {
        self.stopping = true;
        let uids: Vec<_> = self.objects.keys().cloned().collect();
        for uid in uids {
            self.stop(&uid, StopReason::OperatorStops, now);
        }
    }

    /// Takes the next step of those that are due; objects that are to have a turn get it.
    pub fn expire(&mut self, queue: &mut Queue, now: Instant) {
        while let Some((at, uid, index)) = self.alarms.pop_first() {
            if at > now {
                self.alarms.insert((at, uid, index));
                return;
            }
            let Some(object) = self.objects.get_mut(&uid) else { continue };
            match object.expire(index, now) {
                Some(Told::Whole) => queue.wake(&uid, Extent::Whole),
                Some(Told::Partial) => queue.wake(&uid, Extent::Partial),
                None => {}
            }
            self.settle(&uid);
        }
    }

    /// When the first of them is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, ..)| *at)
    }

    /// Sets the alarms of an object, and forgets one of which nothing is to be remembered.
    fn settle(&mut self, uid: &Uid) {
        let Some(object) = self.objects.get_mut(uid) else { return };
        if object.running() == 0 {
            self.left.remove(uid);
        }
        for (index, before, after) in object.alarms() {
            if let Some(at) = before {
                self.alarms.remove(&(at, uid.clone(), index));
            }
            if let Some(at) = after {
                self.alarms.insert((at, uid.clone(), index));
            }
        }
        if object.is_done() {
            self.objects.remove(uid);
        }
    }

    /// Notes in an object's memory which of its daemons run, for its turn, which takes up what they have asked for.
    pub fn note(&mut self, uid: &Uid, memory: &mut DaemonMemory) {
        self.edited.remove(uid);
        memory.begin_turn(self.objects.get(uid).map(ObjectDaemons::standings).unwrap_or_default());
    }

    /// Whether one runs that is waited for.
    pub fn is_one_running(&self) -> bool {
        self.objects.values().any(|object| object.running() > 0)
    }

    /// The number of those that have not ended, abandoned ones, too.
    pub fn left(&self) -> usize {
        self.objects.values().map(ObjectDaemons::left).sum()
    }

    /// Takes in an object whose turn has left something to be written.
    pub fn has_left_edits(&mut self, uid: Uid, queue: &Queue, now: Instant) {
        match self.stopping {
            _ if !queue.serves(&uid) => self.edited.insert_left(uid, now),
            true => self.edited.insert_failed(uid, queue, now),
            false => self.edited.insert(uid, None),
        }
    }

    /// When the next of the objects is due with changes that could not be written, and that get no other turn.
    pub fn edited_due(&self) -> Option<Instant> {
        self.edited.next_due()
    }

    /// The objects with changes that daemons have asked for and that no turn has taken up.
    pub fn edited(&mut self) -> &mut Edited {
        &mut self.edited
    }
}

impl KindContext {
    fn usual_times(&self) -> korf_core::daemon::StopTimes {
        self.operator.settings.stop_times()
    }
}
