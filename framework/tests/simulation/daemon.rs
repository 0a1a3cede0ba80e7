//! Daemons of a world: one for all objects, or for some, and a record of its runs.

use crate::{
    record::{Moment, Record},
    role::Want,
    thing::Thing,
    world::resolve,
};
use jiff::Timestamp;
use korf::{
    Error, FromCall, Stopped, daemon,
    handler::{DaemonCall, Failure, Handler, ObjectView, Reply},
    scope::{Daemon, ObjectScope},
};
use serde_json::Value;
use std::{future::pending, time::Duration};
use tokio::time::sleep;

/// A daemon of all objects, or of those with a value at a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Companion {
    pub filter: Option<(&'static str, Want)>,
    pub way: Way,
    /// From the flag to the cancellation.
    pub backoff: Duration,
    /// The object is kept until it has ended.
    pub keeps: bool,
}

const TIER: &str = "metadata.labels.tier";
const COLOR: &str = "spec.color";

/// What a daemon does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// It ends so long after it was told to stop.
    Patient(Duration),
    /// It runs until it is dropped.
    Deaf,
    /// It ends by itself after this time.
    Brief(Duration),
    /// It fails after this time, and is tried again.
    Failing(Duration),
}

/// One run of the daemon: an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub uid: String,
    /// The number of the operator's life.
    pub life: usize,
    pub begun: Moment,
    pub at: Timestamp,
    /// The finalizers of the object that it saw.
    pub finalizers: Vec<String>,
    /// None while it runs.
    pub ended: Option<Moment>,
    /// It has succeeded without having been told to stop.
    pub by_itself: bool,
}

impl Companion {
    /// The daemon of a seed's world: a third of the worlds have one.
    pub fn of(seed: u64) -> Option<Self> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6461_656d);
        if chance.u8(..3) > 0 {
            return None;
        }
        let time = |chance: &mut fastrand::Rng| Duration::from_millis(chance.u64(..4) * chance.u64(..20_000));
        let filter = match chance.u8(..4) {
            0 => None,
            1 => Some((TIER, Want::drawn(&["gold", "silver"], &mut chance))),
            _ => Some((COLOR, Want::drawn(&["red", "blue"], &mut chance))),
        };
        let way = match chance.u8(..8) {
            0..4 => Way::Patient(time(&mut chance)),
            4 => Way::Deaf,
            5 => Way::Brief(time(&mut chance)),
            _ => Way::Failing(time(&mut chance)),
        };
        let (backoff, keeps) = (time(&mut chance), chance.u8(..3) == 0);
        Some(Self { filter, way, backoff, keeps })
    }

    /// Whether it is between two attempts most of the time.
    pub fn fails(&self) -> bool {
        matches!(self.way, Way::Failing(_))
    }

    /// Whether it is for such an object.
    pub fn concerns(&self, object: &Value) -> bool {
        self.filter.as_ref().is_none_or(|(path, wanted)| wanted.holds(resolve(object, path)))
    }

    /// The operator's handler.
    pub fn handler(&self, record: &Record) -> Handler {
        let on = daemon::<Thing>("companion").cancellation_backoff(self.backoff);
        let on = match &self.filter {
            Some((TIER, wanted)) => on.label("tier", wanted),
            Some((path, wanted)) => on.field(*path).value(wanted),
            None => on,
        };
        let on = if self.keeps { on.finalizer() } else { on };
        let (record, way) = (record.clone(), self.way);
        on.call(move |call: DaemonCall| {
            let record = record.clone();
            async move {
                let view: &ObjectView = Daemon::<Thing>::object(&call);
                let mut run = record.run(view.body());
                let stopped =
                    <Stopped as FromCall<Daemon<Thing>>>::from_call(&call).map_err(Failure::Rejected)?;
                let outcome = way.perform(&stopped).await;
                run.ends(outcome.is_ok() && !stopped.is_set());
                outcome
            }
        })
    }
}

impl Way {
    async fn perform(self, stopped: &Stopped) -> Result<Reply, Failure> {
        match self {
            Self::Patient(after) => {
                stopped.wait().await;
                sleep(after).await;
            }
            Self::Deaf => pending().await,
            Self::Brief(after) => sleep(after).await,
            Self::Failing(after) => {
                sleep(after).await;
                return Err(Failure::Failed(Error::temporary("not yet", Duration::from_secs(90))));
            }
        }
        Ok(Reply::Nothing)
    }
}
