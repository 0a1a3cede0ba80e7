//! Timers of a world: one for all objects, and a record of its calls.

use crate::{record::Record, thing::Thing};
use jiff::Timestamp;
use korf::{
    handler::{Handler, ObjectView, Reply, TimerCall},
    scope::{ObjectScope, Timer},
    timer,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// A timer of all objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Clockwork {
    pub interval: Duration,
    pub sharp: bool,
    /// How long a call takes.
    pub work: Duration,
}

/// One call of the timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub uid: String,
    /// The number of the operator's life.
    pub life: usize,
    pub begun: Timestamp,
    /// None for a call that was interrupted.
    pub ended: Option<Timestamp>,
    /// Whether the object that it saw was being deleted.
    pub deleting: bool,
}

impl Clockwork {
    /// The timer of a seed's world: a quarter of the worlds have one.
    pub fn of(seed: u64) -> Option<Self> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x7469_6d65);
        (chance.u8(..4) == 0).then(|| Self {
            interval: Duration::from_secs(chance.u64(60..600)),
            sharp: chance.bool(),
            work: Duration::from_millis(chance.u64(..4) * chance.u64(..3_000)),
        })
    }

    /// The operator's handler.
    pub fn handler(&self, record: &Record) -> Handler {
        let timer = timer::<Thing>("tick", self.interval);
        let timer = if self.sharp { timer.sharp() } else { timer };
        let (record, work) = (record.clone(), self.work);
        timer.call(move |call: TimerCall| {
            let record = record.clone();
            async move {
                let view: &ObjectView = Timer::<Thing>::object(&call);
                let tick = record.tick(Arc::new(view.body().clone()));
                sleep(work).await;
                record.tock(tick);
                Ok(Reply::Nothing)
            }
        })
    }
}
