//! Offers: what an object's turn tells of its daemons, and what it writes for them.

use super::{News, ObjectLink};
use crate::{
    call::TypeMap,
    runtime::{
        kind::KindContext,
        lead::Fence,
        memory::Memory,
        observe::Observation,
        worker::concerns,
        write::{Intent, Stop},
    },
};
use korf_core::{Uid, body::Body, daemon::Hold, handler::FilterFailed};
use std::{future, mem, sync::Arc, task::Poll, time::Duration};

/// The newest state of an object, and the daemons that are for it.
#[derive(Debug)]
pub struct Offer {
    pub uid: Uid,
    pub kind: Arc<KindContext>,
    pub body: Body,
    pub link: Arc<ObjectLink>,
    /// The values of `Memo` arguments.
    pub memo: TypeMap,
    /// By the index of the handler.
    pub wanted: Box<[bool]>,
    /// Whether the object is this operator's.
    pub fence: Fence,
    /// The turn waits for a daemon to end.
    pub held: bool,
    /// The turn has read or written the object.
    pub read: bool,
}

/// What an object's turn knows of one of its daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not been started, or was stopped, or abandoned.
    Absent,
    /// It runs.
    Running,
    /// It has ended by itself.
    Ended,
}

/// What is remembered of an object's daemons besides their tasks.
#[derive(Debug, Default)]
pub struct DaemonMemory {
    link: Option<Arc<ObjectLink>>,
    /// At the beginning of the turn, by the index of the handler; empty if none has ever run.
    standings: Box<[Standing]>,
    /// The version that was offered last in this turn.
    offered: Option<String>,
    /// The daemons that keep the object and were offered in this turn, by the index of the handler.
    keepers: Vec<usize>,
    /// The object was read in this turn.
    read: bool,
}

impl DaemonMemory {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.link.is_none()
    }

    /// Whether daemons have asked for something that isn't written.
    pub fn has_edits(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.edits.is_empty())
    }

    /// Takes in which daemons run.
    pub fn begin_turn(&mut self, standings: Box<[Standing]>) {
        (self.standings, self.offered, self.read) = (standings, None, false);
        self.keepers.clear();
    }

    /// Takes in that the object was read or written in this turn.
    pub fn has_been_read(&mut self) {
        self.read = true;
    }

    fn standing(&self, index: usize) -> Standing {
        self.standings.get(index).copied().unwrap_or(Standing::Absent)
    }
}

impl KindContext {
    /// Tells the reactor which daemons are for an object as it is now; returns whether they need the finalizer.
    pub(in crate::runtime) async fn offer_daemons(
        self: &Arc<Self>,
        body: &Body,
        memory: &mut Memory,
    ) -> Result<Hold, FilterFailed> {
        if self.daemons.is_empty() {
            return Ok(Hold::None);
        }
        let deleting = body.is_deleting();
        let finalizer = self.setup.storage.finalizer();
        let kept = body.finalizers().any(|name| name == finalizer);
        let mut hold = if memory.daemons.keepers.is_empty() { Hold::None } else { Hold::Running };
        let mut wanted = vec![false; self.daemons.len()].into_boxed_slice();
        for (index, handler) in self.daemons.iter().enumerate() {
            let matches = !deleting && concerns(&handler.id, &handler.filter, body)?;
            let (keeper, standing) = (handler.options.finalizer, memory.daemons.standing(index));
            // One that runs goes on while a finalizer is added again that others have removed.
            let runs = standing == Standing::Running || memory.daemons.keepers.contains(&index);
            wanted[index] = matches && (kept || !keeper || runs);
            hold = hold.max(match standing {
                _ if !keeper => Hold::None,
                Standing::Running => Hold::Running,
                Standing::Absent if matches => Hold::Needed,
                Standing::Absent | Standing::Ended => Hold::None,
            });
            if keeper && wanted[index] && standing != Standing::Ended {
                memory.daemons.keepers.push(index);
            }
        }
        if self.offer(body, wanted, deleting && hold == Hold::Running, memory) {
            // The reactor goes on now. A handler that blocks its thread would otherwise keep it: a task that was woken last
            // is run next on the same thread, and on no other.
            give_way().await;
        }
        Ok(hold)
    }

    /// Returns whether the reactor was told.
    fn offer(self: &Arc<Self>, body: &Body, wanted: Box<[bool]>, held: bool, memory: &mut Memory) -> bool {
        let known = memory.daemons.offered.as_deref() == Some(body.version());
        let nothing = !wanted.contains(&true) && memory.daemons.link.is_none();
        if known || nothing {
            return false;
        }
        let uid = Uid::from(body.uid());
        let link = memory.daemons.link.get_or_insert_with(|| ObjectLink::new(&uid, &self.daemon_news).into());
        let (kind, link, memo) = (Arc::clone(self), Arc::clone(link), Arc::clone(&memory.memo));
        memory.daemons.offered = Some(body.version().to_owned());
        let (read, fence) = (memory.daemons.read, memory.fence.clone());
        let offer = Offer { uid, kind, body: body.clone(), link, memo, wanted, fence, held, read };
        self.daemon_news.tell(News::Offer(Box::new(offer)));
        true
    }

    /// Writes what daemons ask for; returns the object as it is then, and, where that could not be written, the time to the
    /// next try.
    pub(in crate::runtime) async fn write_for_daemons(
        &self,
        body: Body,
        gone: bool,
        memory: &mut Memory,
    ) -> Result<(Body, Option<Duration>), Stop> {
        let Some(link) = memory.daemons.link.clone() else { return Ok((body, None)) };
        if gone {
            link.drop_edits(&self.operator.observer);
            return Ok((body, None));
        }
        let dropped = link.edits.take_dropped();
        if dropped > 0 {
            self.observe(Observation::DaemonEditsDropped { edits: dropped, gone: false });
        }
        let edits = link.edits.take();
        if edits.is_empty() {
            return Ok((body, None));
        }
        let intent = Intent::Edits { edits: edits.iter().cloned().collect(), exactly: false };
        match self.commit(body, intent, memory).await {
            Ok(written) => Ok((written.newest, None)),
            Err(Stop::Later { seen, after }) => {
                link.edits.put_back(edits);
                Ok((seen, Some(after)))
            }
            Err(stop) => {
                link.edits.put_back(edits);
                if matches!(stop, Stop::Gone) {
                    link.drop_edits(&self.operator.observer);
                }
                Err(stop)
            }
        }
    }
}

/// Lets the tasks that were woken go first. `tokio::task::yield_now` would come back when the thread has nothing else to do: never,
/// if one of these tasks blocks it. A task that wakes itself waits where other threads take it from.
async fn give_way() {
    let mut gave_way = false;
    future::poll_fn(|context| {
        if mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
