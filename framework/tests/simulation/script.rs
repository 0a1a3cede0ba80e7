//! Scripts: a handler's behaviour in each of its attempts.

use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// The way in which a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Succeeded,
    Temporary,
    Arbitrary,
    Permanent,
    Panicked,
    Unreadable,
    /// It was dropped while it ran, by a timeout or at the operator's end.
    Interrupted,
}

/// The way in which an attempt is to end.
#[derive(Clone, Debug, PartialEq)]
pub enum Finale {
    Succeed,
    Result(Value),
    Status(Value),
    Temporary(Duration),
    Arbitrary,
    Permanent,
    Panic,
    /// It never ends.
    Hang,
}

/// A change of the object that an attempt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    Nothing,
    Label,
    Annotation,
    /// A field of the spec becomes a copy of another one.
    Spec,
    Status,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The waits before its end.
    pub pauses: Vec<Duration>,
    pub addition: Addition,
    pub finale: Finale,
}

/// All attempts at one change; any further attempt succeeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Script(pub Vec<Act>);

impl Script {
    pub fn drawn(may_hang: bool, only_once: bool, chance: &mut fastrand::Rng) -> Self {
        let attempts = if only_once { 1 } else { chance.usize(1..4) };
        Self((0..attempts).map(|_| Act::drawn(may_hang, chance)).collect())
    }

    /// The attempt of this number, from 0 on.
    pub fn act(&self, attempt: u32) -> Act {
        let succeeds = Act { pauses: Vec::new(), addition: Addition::Nothing, finale: Finale::Succeed };
        usize::try_from(attempt).ok().and_then(|at| self.0.get(at)).cloned().unwrap_or(succeeds)
    }
}

impl Act {
    fn drawn(may_hang: bool, chance: &mut fastrand::Rng) -> Self {
        let additions = [Addition::Label, Addition::Annotation, Addition::Spec, Addition::Status];
        let addition =
            if chance.u8(..4) == 0 { additions[chance.usize(..additions.len())] } else { Addition::Nothing };
        let number = chance.usize(..3);
        Self {
            pauses: (0..number).map(|_| pause(chance)).collect(),
            addition,
            finale: finale(may_hang, chance),
        }
    }
}

fn pause(chance: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(match chance.u8(..6) {
        0 | 1 => 0,
        2 | 3 => chance.u64(..100),
        4 => chance.u64(..4_000),
        _ => chance.u64(..15_000),
    })
}

fn finale(may_hang: bool, chance: &mut fastrand::Rng) -> Finale {
    match chance.u8(..16) {
        0 => Finale::Result(json!({"done": true})),
        1 => Finale::Status(json!({"seen": "yes"})),
        2 | 3 => Finale::Temporary(Duration::from_millis(chance.u64(..30_000))),
        4 => Finale::Temporary(Duration::ZERO),
        5 | 6 => Finale::Arbitrary,
        7 => Finale::Permanent,
        8 => Finale::Panic,
        9 | 10 if may_hang => Finale::Hang,
        _ => Finale::Succeed,
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waits {:?}, adds {:?}, then {:?}", self.pauses, self.addition, self.finale)
    }
}
