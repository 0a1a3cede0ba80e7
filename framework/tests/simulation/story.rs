//! Stories: steps of users and of those who run the operator.

use crate::{
    record::{Death, Record},
    tally::Counter,
    thing::Thing,
    user::{Deed, Users},
};
use korf_testing::Cluster;
use std::{ops::Range, time::Duration};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// One step of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A user acts on an object.
    Do(Deed),
    Stop,
    Kill,
    Start,
    Compact,
    Cut,
    Expire,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Do(deed) => deed.name(),
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Start => "start",
            Self::Compact => "compact",
            Self::Cut => "cut",
            Self::Expire => "expire",
        }
    }
}

/// The material of stories.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The steps, with their weights.
    pub steps: &'static [(Step, u8)],
    /// The number of objects.
    pub names: usize,
    /// The number of steps.
    pub length: Range<usize>,
}

/// Tells a story to a cluster.
pub struct Story<'a> {
    pub cluster: &'a mut Cluster,
    pub record: &'a Record,
    pub counter: &'a Counter,
    pub users: &'a Users,
    pub chance: &'a mut fastrand::Rng,
    pub plot: Plot,
    pub running: bool,
}

impl Story<'_> {
    /// Tells it all; in the end the operator runs.
    pub fn tell(mut self) {
        for _ in 0..self.chance.usize(self.plot.length.clone()) {
            let name = NAMES[self.chance.usize(..self.plot.names)];
            let step = self.drawn(name);
            self.carry_out(step, name);
            let pause = self.pause();
            self.cluster.advance(pause);
        }
        if !self.running {
            self.carry_out(Step::Start, "");
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(match self.chance.u8(..20) {
            0..6 => 0,
            6..13 => self.chance.u64(..3_000),
            13..19 => self.chance.u64(..40_000),
            _ => self.chance.u64(..400_000),
        })
    }

    fn drawn(&mut self, name: &str) -> Step {
        if !self.running && self.chance.bool() {
            return Step::Start;
        }
        if self.cluster.server().object::<Thing>(Some("default"), name).is_none() {
            return Step::Do(Deed::Create);
        }
        let sum: u8 = self.plot.steps.iter().map(|(_, weight)| weight).sum();
        let mut left = self.chance.u8(..sum);
        let drawn = self.plot.steps.iter().find(|(_, weight)| {
            let found = left < *weight;
            left = left.saturating_sub(*weight);
            found
        });
        match drawn {
            Some((Step::Stop | Step::Kill, _)) if !self.running => Step::Start,
            Some((step, _)) => *step,
            None => Step::Do(Deed::Change),
        }
    }

    fn carry_out(&mut self, step: Step, name: &str) {
        let at = self.cluster.now();
        self.record.step(at, format!("{step:?} {name}"));
        self.counter.count(format!("step: {}", step.name()));
        match step {
            Step::Do(deed) => {
                let users = self.users;
                self.cluster.run(async { users.act(deed, name) });
                self.cluster.settle();
            }
            Step::Stop => {
                self.cluster.stop().expect("an operator that was started can be stopped");
                self.record.ends(Death::Stopped);
                self.running = false;
            }
            Step::Kill => {
                self.record.ends(Death::Killed);
                self.counter.count("death: killed");
                self.cluster.kill();
                self.running = false;
            }
            Step::Start => {
                self.cluster.start().expect("the handlers fit together");
                self.running = true;
            }
            Step::Compact => self.cluster.server().compact(),
            Step::Cut => self.cluster.server().break_watches(),
            Step::Expire => self.cluster.server().expire(),
        }
    }
}
