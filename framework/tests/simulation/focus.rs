//! Promises, each with a share of the seeds: these have worlds, stories and meddling users that try to break it.

use crate::{
    role::{Cue, Role, Want},
    script::{Act, Addition, Finale, Script},
    story::{Plot, Step},
    user::{
        Deed::{Change, Delete, Flip, Label, Replace, Resize, Revert, Supplant, Vanish},
        Meddling,
    },
    world::{Keeping, Weather, World},
};
use serde_json::json;
use std::time::Duration;

/// A promise that a world aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Focus {
    /// No update is lost: objects change between two handlers of a cycle, and between the last one and the closing write.
    Updates,
    /// A deletion that no watch has shown is noticed by the next listing.
    Unseen,
    /// The finalizer comes before all handlers, goes after the delete handlers, and traps no object.
    Finalizer,
    /// No change handler sees a state older than our own last write.
    Fresh,
    /// Outcomes are kept while writes fail, and no handler is called again for that.
    Outcomes,
    /// Retries count on over restarts, and wait until they are due.
    Retries,
    /// An object whose deletion failed permanently stays, and any change of it, or a restart, tries again.
    Deletions,
    /// An object without handlers is left alone.
    Stealth,
    /// A recreated object is never taken for the one that had its name before.
    Namesake,
    /// The write that ends a cycle comes last: a crash between two writes leaves the cycle open.
    Order,
    /// None: the world is as broad as can be.
    Broad,
}

/// Each promise has at least one of so many seeds. An odd number, because some things are done in every fourth run only.
const EVERY: u64 = 21;

const AIMED: [Focus; 11] = [
    Focus::Updates,
    Focus::Unseen,
    Focus::Finalizer,
    Focus::Fresh,
    Focus::Outcomes,
    Focus::Retries,
    Focus::Deletions,
    Focus::Stealth,
    Focus::Namesake,
    Focus::Order,
    // The rarest coincidence gets two.
    Focus::Updates,
];

const DELETION: Cue = Cue::Delete { optional: false, lets_go: false };

impl Focus {
    /// The focus of a seed.
    pub fn of(seed: u64) -> Self {
        usize::try_from(seed % EVERY).ok().and_then(|at| AIMED.get(at)).copied().unwrap_or(Self::Broad)
    }

    /// Turns a world into one that tries to break the promise.
    pub fn shape(self, world: &mut World, chance: &mut fastrand::Rng) {
        if self == Self::Broad {
            return;
        }
        // With records in the status, the object is written before its status.
        match self {
            Self::Outcomes if chance.bool() => world.keeping = Keeping::OwnStatus,
            Self::Order if chance.u8(..4) > 0 => world.keeping = Keeping::OwnAnnotations,
            _ => {}
        }
        world.status_subresource |= matches!(self, Self::Outcomes | Self::Order);
        world.weather = self.weather(chance);
        world.roles = self.roles(chance);
    }

    fn weather(self, chance: &mut fastrand::Rng) -> Weather {
        let calm = Weather {
            requests: [0.0, 0.0, 0.1][chance.usize(..3)],
            rejections: 0.0,
            outages: 0.0,
            events: [0.0, 0.0, 0.1][chance.usize(..3)],
            latency: [0..1, 0..50, 0..2_000][chance.usize(..3)].clone(),
            lag: 0..1,
            deaths: 0.0,
            deaths_at_writes: 0.0,
            most_deaths: 4,
        };
        match self {
            Self::Fresh => {
                let outages = [0.0, 0.2][chance.usize(..2)];
                Weather { events: 0.3, outages, latency: 0..50, lag: 0..6_000, ..calm }
            }
            Self::Outcomes => {
                let (rejections, outages) = [(0.3, 0.0), (0.1, 0.3)][chance.usize(..2)];
                Weather { requests: 0.2, rejections, outages, events: 0.0, latency: 0..50, ..calm }
            }
            Self::Retries => Weather { deaths: 0.05, deaths_at_writes: 0.05, ..calm },
            Self::Order => {
                Weather { requests: 0.0, deaths_at_writes: 0.15, most_deaths: 8, latency: 0..50, ..calm }
            }
            _ => calm,
        }
    }

    /// The meddling of its users.
    pub fn meddling(self) -> Meddling {
        let changes = &[Resize, Change, Revert][..];
        let (after_calls, before_writes, most) = match self {
            // Reverted where the end of the cycle is on its way: nothing differs by then.
            Self::Updates => ((0.4, &[Flip, Flip, Change][..]), (0.4, &[Flip, Flip, Revert][..]), 6),
            Self::Finalizer => ((0.2, &[Label, Delete, Resize][..]), (0.4, &[Label, Label, Resize][..]), 8),
            Self::Namesake => ((0.1, &[Replace, Resize][..]), (0.3, &[Replace, Replace, Supplant][..]), 5),
            Self::Deletions => ((0.3, changes), (0.1, changes), 4),
            Self::Fresh | Self::Outcomes => ((0.1, changes), (0.1, changes), 4),
            _ => ((0.0, changes), (0.0, changes), 0),
        };
        Meddling { after_calls, before_writes, most }
    }

    /// The plot of its stories.
    pub fn plot(self) -> Plot {
        use Step::{Compact, Cut, Do, Expire, Kill, Stop};
        let steps: &[(Step, u8)] = match self {
            Self::Updates => &[(Do(Flip), 5), (Do(Change), 3), (Do(Revert), 3), (Kill, 1)],
            Self::Unseen => {
                &[(Do(Vanish), 5), (Do(Supplant), 3), (Do(Change), 5), (Do(Delete), 2), (Cut, 1), (Kill, 1)]
            }
            Self::Finalizer => {
                &[(Do(Change), 3), (Do(Label), 3), (Do(Delete), 5), (Do(Replace), 1), (Kill, 1)]
            }
            Self::Fresh => &[(Do(Resize), 6), (Do(Change), 4), (Do(Revert), 3), (Do(Delete), 1), (Cut, 1)],
            Self::Outcomes | Self::Order => {
                &[(Do(Resize), 5), (Do(Change), 4), (Do(Revert), 1), (Do(Delete), 2), (Do(Replace), 1)]
            }
            Self::Retries => &[(Do(Resize), 2), (Do(Change), 2), (Do(Delete), 2), (Kill, 4), (Stop, 3)],
            Self::Deletions => {
                &[(Do(Delete), 5), (Do(Resize), 3), (Do(Change), 3), (Do(Revert), 1), (Kill, 2)]
            }
            Self::Stealth => &[(Do(Change), 4), (Do(Label), 4), (Do(Delete), 1), (Kill, 1), (Expire, 1)],
            Self::Namesake => {
                &[(Do(Replace), 4), (Do(Supplant), 3), (Do(Resize), 4), (Do(Delete), 2), (Kill, 1)]
            }
            Self::Broad => &[
                (Do(Change), 15),
                (Do(Revert), 5),
                (Do(Delete), 4),
                (Do(Replace), 2),
                (Stop, 2),
                (Kill, 2),
                (Compact, 1),
                (Cut, 1),
                (Expire, 1),
            ],
        };
        match self {
            Self::Broad => Plot { steps, names: 3, length: 5..25 },
            // A later change would call the handlers that have missed one.
            Self::Updates => Plot { steps, names: 2, length: 2..8 },
            _ => Plot { steps, names: 2, length: 4..14 },
        }
    }

    fn roles(self, chance: &mut fastrand::Rng) -> Vec<Role> {
        let cues = self.cues(chance);
        let drawn = cues.into_iter().enumerate().map(|(at, cues)| Role::of(at, cues, chance));
        let mut roles: Vec<_> = drawn.collect();
        for role in &mut roles {
            self.cast(role, chance);
        }
        roles
    }

    /// The triggers of its handlers.
    fn cues(self, chance: &mut fastrand::Rng) -> Vec<Vec<Cue>> {
        let resume = Cue::Resume { deleted: false };
        let both = || vec![Cue::Create, Cue::Update];
        match self {
            Self::Updates => {
                let one = |chance: &mut fastrand::Rng| match chance.u8(..4) {
                    0 => both(),
                    1 => vec![Cue::Field],
                    _ => vec![Cue::Update],
                };
                (0..chance.usize(2..5)).map(|_| one(chance)).collect()
            }
            Self::Unseen => vec![vec![Cue::Event], [vec![Cue::Event], both()][chance.usize(..2)].clone()],
            Self::Finalizer => vec![vec![DELETION], vec![DELETION], vec![Cue::Create, Cue::Update, DELETION]],
            Self::Deletions => vec![vec![DELETION], [vec![DELETION], both()][chance.usize(..2)].clone()],
            Self::Stealth => {
                vec![[both(), vec![Cue::Field], vec![DELETION]][chance.usize(..3)].clone(), both()]
            }
            Self::Retries => vec![both(), vec![Cue::Create, resume], vec![Cue::Update, DELETION]],
            Self::Namesake => {
                vec![both(), vec![Cue::Create], [vec![Cue::Event], vec![DELETION]][chance.usize(..2)].clone()]
            }
            Self::Fresh => {
                vec![both(), [both(), vec![Cue::Event]][chance.usize(..2)].clone(), vec![Cue::Update]]
            }
            _ => vec![both(), both(), vec![Cue::Update]],
        }
    }

    /// Fits a random handler to the promise: without options that would weaken it, and with a script that tests it.
    fn cast(self, role: &mut Role, chance: &mut fastrand::Rng) {
        let is_event = role.handles_events();
        role.label = match self {
            Self::Stealth => role.label.take(),
            // A change of the label makes it an object of other delete handlers.
            Self::Finalizer => chance.bool().then(|| ("tier", Want::drawn(&["gold", "silver"], chance))),
            _ => None,
        };
        role.annotation = None;
        role.reads &= matches!(self, Self::Deletions | Self::Stealth);
        role.parts &= matches!(self, Self::Retries | Self::Updates | Self::Outcomes);
        if self != Self::Retries && !is_event {
            (role.limits.timeout, role.limits.retries) = (None, None);
        }
        let attempts = if is_event { 1 } else { chance.usize(1..4) };
        role.script = Script((0..attempts).map(|_| self.act(is_event, chance)).collect());
        if self == Self::Stealth && role.label.is_none() && role.field.is_none() {
            role.label = Some(("tier", Want::Is("gold".into())));
        }
    }

    fn act(self, is_event: bool, chance: &mut fastrand::Rng) -> Act {
        let later =
            |chance: &mut fastrand::Rng| Finale::Temporary(Duration::from_millis(chance.u64(..20_000)));
        let told = |chance: &mut fastrand::Rng| match chance.u8(..3) {
            0 => Finale::Status(json!({"seen": "yes"})),
            1 => Finale::Result(json!({"done": true})),
            _ => Finale::Succeed,
        };
        let finale = match (self, chance.u8(..8)) {
            _ if is_event => Finale::Succeed,
            (Self::Deletions, 0..6) => Finale::Permanent,
            (Self::Outcomes | Self::Order, 0..6) => told(chance),
            (Self::Retries, 0..5) | (Self::Updates, 0..4) | (_, 0..2) => later(chance),
            (_, 2) => Finale::Arbitrary,
            (_, 3) => told(chance),
            _ => Finale::Succeed,
        };
        let adds = match self {
            Self::Outcomes | Self::Order | Self::Fresh => 2,
            _ => 6,
        };
        let additions = [Addition::Label, Addition::Annotation, Addition::Spec, Addition::Status];
        let addition = match chance.u8(..adds) {
            0 => additions[chance.usize(..additions.len())],
            _ => Addition::Nothing,
        };
        let pauses = (0..chance.usize(..2)).map(|_| Duration::from_millis(chance.u64(..3_000))).collect();
        Act { pauses, addition, finale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_promise_has_a_share_of_the_seeds_and_nearly_half_of_them_are_broad() {
        let mut shares = BTreeMap::new();
        (0..2_000).for_each(|seed| *shares.entry(Focus::of(seed)).or_insert(0) += 1);
        assert_eq!(shares.remove(&Focus::Broad), Some(950));
        assert_eq!(shares.remove(&Focus::Updates), Some(191));
        assert_eq!(shares.len(), 9);
        assert!(shares.values().all(|seeds| (95..=96).contains(seeds)), "{shares:?}");
    }
}
