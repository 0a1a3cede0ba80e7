//! Ledger of a storm: what replicas have done, who had which shard when, and whether the two agree.
//!
//! All times are of this machine's wall clock, in microseconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

/// A time, in microseconds since 1970.
pub type Time = i64;

/// One second.
pub const SECOND: Time = 1_000_000;

/// A process of the operator.
pub type Replica = usize;

/// A call of a handler, as the replica's log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub replica: Replica,
    pub uid: String,
    pub handler: String,
    /// Its end is that of the replica, where the replica was killed before.
    pub time: Range<Time>,
    /// The shard of the object, and how often its Lease had changed hands.
    pub lease: (u16, u64),
}

/// A time for which one replica has held a Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    pub replica: Replica,
    pub lease: (u16, u64),
    /// From when it was taken to the last renewal, each as the API server has answered it.
    pub time: Range<Time>,
}

/// A write of a replica that the API server has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub replica: Replica,
    pub uid: String,
    pub shard: u16,
    pub at: Time,
}

/// What has happened.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub runs: Vec<Run>,
    pub tenures: Vec<Tenure>,
    pub writes: Vec<Write>,
    /// When replicas were stopped, and not killed.
    pub frozen: Vec<(Replica, Range<Time>)>,
    /// For how long after a renewal its holder may begin something: the renew deadline.
    pub validity: Time,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Ledger {
    /// What must not happen, and has.
    pub fn violations(&self) -> Vec<Violation> {
        [self.without_lease(), self.overlaps(), self.writes_after_others()].concat()
    }

    /// Calls that began when the replica didn't hold the Lease of which it speaks. One for each time that it was stopped may have begun
    /// before that: its line was on the way.
    fn without_lease(&self) -> Vec<Violation> {
        let held = |run: &Run, at: Time| {
            let mut own = self
                .tenures
                .iter()
                .filter(|tenure| (tenure.replica, tenure.lease) == (run.replica, run.lease));
            own.any(|tenure| (tenure.time.start..tenure.time.end + self.validity).contains(&at))
        };
        let mut wrong: Vec<_> = self.runs.iter().filter(|run| !held(run, run.time.start)).collect();
        for (replica, frozen) in &self.frozen {
            let thawed = frozen.end..frozen.end + SECOND / 10;
            let was_on_the_way = |run: &&Run| {
                run.replica == *replica && thawed.contains(&run.time.start) && held(run, frozen.start)
            };
            if let Some(place) = wrong.iter().position(was_on_the_way) {
                wrong.remove(place);
            }
        }
        let of_shard = |run: &Run| {
            let of_shard = self.tenures.iter().filter(|tenure| tenure.lease.0 == run.lease.0);
            of_shard.map(|tenure| format!("{tenure:?}")).collect::<Vec<_>>().join(", ")
        };
        wrong
            .into_iter()
            .map(|run| Violation(format!("without a Lease: {run:?}; of its shard are {}", of_shard(run))))
            .collect()
    }

    /// Calls for one object at the same time, but where the first one's replica was stopped in the middle of it.
    fn overlaps(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        for runs in self.by_object().values() {
            for (number, run) in runs.iter().enumerate() {
                let frozen = |from: Time| {
                    let mut times = self.frozen.iter().filter(|(replica, _)| *replica == run.replica);
                    times.any(|(_, time)| run.time.contains(&time.start) && time.start <= from)
                };
                let others = runs[number + 1..].iter().take_while(|other| other.time.start < run.time.end);
                let wrong = others.filter(|other| other.replica != run.replica && !frozen(other.time.start));
                violations
                    .extend(wrong.map(|other| Violation(format!("at the same time: {run:?} and {other:?}"))));
            }
        }
        violations
    }

    /// Writes that were taken after the next holder's first write to the same object.
    fn writes_after_others(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        for write in &self.writes {
            let holder = |at: Time| {
                let held = self
                    .tenures
                    .iter()
                    .filter(|tenure| tenure.lease.0 == write.shard && tenure.time.start <= at);
                held.max_by_key(|tenure| tenure.lease.1).map(|tenure| tenure.replica)
            };
            let deposed = holder(write.at).is_some_and(|now| now != write.replica);
            let later = self
                .tenures
                .iter()
                .filter(|tenure| tenure.lease.0 == write.shard && tenure.replica != write.replica);
            let since =
                later.filter(|tenure| tenure.time.start <= write.at).map(|tenure| tenure.time.start).max();
            let before = |since: Time| {
                self.writes.iter().find(|other| {
                    other.uid == write.uid
                        && Some(other.replica) == holder(write.at)
                        && (since..write.at).contains(&other.at)
                })
            };
            if let Some(other) = since.filter(|_| deposed).and_then(before) {
                violations.push(Violation(format!("after {other:?}: {write:?}")));
            }
        }
        violations
    }

    /// The calls for each object, in the order of their beginnings.
    fn by_object(&self) -> BTreeMap<&str, Vec<&Run>> {
        let mut objects: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in &self.runs {
            objects.entry(&run.uid).or_default().push(run);
        }
        objects.values_mut().for_each(|runs| runs.sort_by_key(|run| run.time.start));
        objects
    }

    /// For each Lease that a replica had when it was lost (killed or stopped) at this time: how long it took until another one had it,
    /// and until that one called a handler.
    pub fn take_overs(&self, lost: Replica, at: Time) -> Vec<(Time, Option<Time>)> {
        let of_lost = self.tenures.iter().filter(|tenure| tenure.replica == lost && tenure.time.start <= at);
        let leases: BTreeSet<_> = of_lost.map(|tenure| tenure.lease).collect();
        let next = |(shard, epoch): (u16, u64)| {
            let mut later =
                self.tenures.iter().filter(|tenure| tenure.lease.0 == shard && tenure.lease.1 > epoch);
            later.find(|tenure| tenure.lease.1 == epoch + 1).filter(|tenure| tenure.time.start > at)
        };
        let taken = leases.into_iter().filter_map(next);
        taken
            .map(|tenure| {
                let runs =
                    self.runs.iter().filter(|run| run.replica == tenure.replica && run.lease == tenure.lease);
                let first = runs.map(|run| run.time.start).min();
                (tenure.time.start - at, first.map(|first| first - at))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(replica: Replica, uid: &str, seconds: Range<Time>, lease: (u16, u64)) -> Run {
        let time = seconds.start * SECOND..seconds.end * SECOND;
        Run { replica, uid: uid.to_owned(), handler: "h".to_owned(), time, lease }
    }

    fn tenure(replica: Replica, lease: (u16, u64), seconds: Range<Time>) -> Tenure {
        Tenure { replica, lease, time: seconds.start * SECOND..seconds.end * SECOND }
    }

    fn write(replica: Replica, uid: &str, at: Time) -> Write {
        Write { replica, uid: uid.to_owned(), shard: 0, at: at * SECOND }
    }

    /// Two replicas, one after the other.
    fn ledger() -> Ledger {
        Ledger {
            tenures: vec![tenure(1, (0, 0), 0..20), tenure(2, (0, 1), 40..60)],
            validity: 10 * SECOND,
            ..Ledger::default()
        }
    }

    #[test]
    fn a_call_needs_the_lease_that_it_names_and_a_renewal_that_is_not_too_old() {
        let cases = [
            (run(1, "a", 1..2, (0, 0)), 0),
            (run(1, "a", 29..35, (0, 0)), 0),
            (run(1, "a", 31..32, (0, 0)), 1),
            (run(1, "a", 41..42, (0, 1)), 1),
            (run(2, "a", 41..42, (0, 1)), 0),
            (run(2, "a", 30..31, (0, 1)), 1),
            (run(2, "a", 41..42, (1, 1)), 1),
        ];
        for (run, expected) in cases {
            let found = Ledger { runs: vec![run.clone()], ..ledger() }.violations();
            assert_eq!(found.len(), expected, "{run:?}: {found:?}");
        }
    }

    #[test]
    fn one_call_without_a_lease_right_after_a_stop_is_one_that_began_before_it() {
        let storm = |runs: &[Run], frozen: Range<Time>| {
            let frozen = vec![(1, frozen.start * SECOND..frozen.end * SECOND)];
            Ledger { runs: runs.to_vec(), frozen, ..ledger() }.violations().len()
        };
        let late = |uid: &str| run(1, uid, 50..51, (0, 0));
        assert_eq!(storm(&[late("a")], 29..50), 0);
        assert_eq!(storm(&[late("a"), late("b")], 29..50), 1);
        assert_eq!(storm(&[late("a")], 31..50), 1, "its Lease was over before");
        assert_eq!(storm(&[late("a")], 29..49), 1, "it went on a second before");
        assert_eq!(storm(&[run(2, "a", 70..71, (0, 1))], 29..70), 1, "another one was stopped");
    }

    #[test]
    fn calls_for_one_object_do_not_overlap_unless_the_first_replica_was_stopped_in_the_middle() {
        let storm = |runs: [Run; 2], frozen: &[(Replica, Range<Time>)]| {
            let frozen =
                frozen.iter().map(|(replica, time)| (*replica, time.start * SECOND..time.end * SECOND));
            Ledger { runs: runs.to_vec(), frozen: frozen.collect(), ..ledger() }.violations().len()
        };
        let long = || run(1, "a", 15..45, (0, 0));
        assert_eq!(storm([long(), run(2, "a", 41..42, (0, 1))], &[]), 1);
        assert_eq!(storm([long(), run(2, "b", 41..42, (0, 1))], &[]), 0);
        assert_eq!(storm([long(), run(2, "a", 46..47, (0, 1))], &[]), 0);
        assert_eq!(storm([long(), run(2, "a", 41..42, (0, 1))], &[(1, 18..44)]), 0);
        assert_eq!(storm([long(), run(2, "a", 41..42, (0, 1))], &[(2, 18..44)]), 1);
        assert_eq!(storm([long(), run(2, "a", 41..42, (0, 1))], &[(1, 42..44)]), 1, "stopped later");
    }

    #[test]
    fn what_a_deposed_replica_writes_is_not_taken_once_the_next_one_has_written() {
        let storm = |writes: &[Write]| Ledger { writes: writes.to_vec(), ..ledger() }.violations().len();
        assert_eq!(storm(&[write(1, "a", 10), write(2, "a", 41)]), 0);
        assert_eq!(storm(&[write(2, "a", 41), write(1, "a", 42)]), 1);
        assert_eq!(storm(&[write(2, "b", 41), write(1, "a", 42)]), 0, "the object is as it was");
        assert_eq!(storm(&[write(1, "a", 42), write(2, "a", 43)]), 0);
    }

    #[test]
    fn a_take_over_lasts_until_the_next_replica_has_the_lease_and_calls_a_handler() {
        let storm = Ledger { runs: vec![run(2, "a", 41..42, (0, 1))], ..ledger() };
        assert_eq!(storm.take_overs(1, 25 * SECOND), [(15 * SECOND, Some(16 * SECOND))]);
        assert_eq!(storm.take_overs(2, 25 * SECOND), []);
        assert_eq!(ledger().take_overs(1, 25 * SECOND), [(15 * SECOND, None)]);
    }
}
