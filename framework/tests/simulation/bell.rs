//! Bells of a world: triggers that a timer gives, and a record of them.

use crate::{
    record::{Moment, Record},
    role::{Cue, Role},
    thing::Thing,
    user::Users,
};
use korf::{
    FromCall, Trigger,
    extract::Requirements,
    handler::{Failure, Handler, ObjectView, Reply, TimerCall},
    scope::{ObjectScope, Timer},
    timer,
};
use std::time::Duration;

/// A timer of all objects, whose calls trigger objects as long as the story goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Bell {
    pub interval: Duration,
    /// The most triggers of a run.
    pub most: usize,
}

/// One trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The number of the operator's life.
    pub life: usize,
    pub moment: Moment,
    /// The object's name; none for all.
    pub name: Option<String>,
}

impl Rung {
    /// Whether it is for an object.
    pub fn is_for(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|rung| rung == name)
    }
}

impl Bell {
    /// The bell of a seed's world: a third of those with a resume handler have one.
    pub fn of(seed: u64, roles: &[Role]) -> Option<Self> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6265_6c6c);
        let resumes = roles.iter().any(|role| role.cues.iter().any(|cue| matches!(cue, Cue::Resume { .. })));
        (chance.u8(..3) == 0 && resumes).then(|| Self {
            interval: Duration::from_millis(chance.u64(500..40_000)),
            most: chance.usize(1..12),
        })
    }

    /// The operator's handler.
    pub fn handler(&self, record: &Record, users: &Users) -> Handler {
        let (record, users, most) = (record.clone(), users.clone(), self.most);
        let mut handler = timer::<Thing>("bell", self.interval).call(move |call: TimerCall| {
            let (record, users) = (record.clone(), users.clone());
            async move {
                let things = <Trigger<Thing> as FromCall<Timer<Thing>>>::from_call(&call);
                let things = things.map_err(Failure::Rejected)?;
                let view: &ObjectView = Timer::<Thing>::object(&call);
                if users.are_busy() && record.rungs().len() < most {
                    ring(&things, &record, view.body().name());
                }
                Ok(Reply::Nothing)
            }
        });
        let mut requirements = Requirements::default();
        <Trigger<Thing> as FromCall<Timer<Thing>>>::requirements(&mut requirements);
        handler.requirements = requirements;
        handler
    }
}

/// Triggers all objects, or the one whose timer is called, in turns.
fn ring(things: &Trigger<Thing>, record: &Record, name: &str) {
    let all = record.rungs().len().is_multiple_of(2);
    record.rings((!all).then(|| name.to_owned()));
    if all { things.trigger_all() } else { things.trigger(("default", name)) }
}
