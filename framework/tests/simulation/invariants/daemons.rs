//! Daemons run once for an object, while it is there and theirs.

use crate::{
    daemon::{Companion, Run},
    history::{History, Violation, is_deleting, uid},
};
use serde_json::Value;
use std::sync::Arc;

/// A daemon never runs twice for one object.
pub fn once(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, run) in history.runs.iter().enumerate() {
        let is_same = |other: &&Run| (other.life, &other.uid) == (run.life, &run.uid);
        let before = history.runs[..at].iter().filter(is_same);
        let mut both = before.filter(|other| other.ended.is_none_or(|ended| ended.turn > run.begun.turn));
        if let Some(other) = both.next() {
            violations.push(Violation(format!("of {} from {} on and from {} on", run.uid, other.at, run.at)));
        }
    }
    violations
}

/// In the end, a daemon runs for each object that is there and its own, unless it has ended by itself, and for no other: not
/// after the end of the object, of its match with the filter, or of the operator.
pub fn for_its_objects(history: &History) -> Vec<Violation> {
    let Some(companion) = &history.world.daemon else { return Vec::new() };
    let life = history.lives.len().saturating_sub(1);
    let mut violations = Vec::new();
    for run in history.runs.iter().filter(|run| run.ended.is_none()) {
        let object = history.objects.iter().find(|object| uid(object) == run.uid);
        if run.life != life || !object.is_some_and(|object| is_theirs(companion, object)) {
            violations.push(Violation(format!("it still runs for {} since {}", run.uid, run.at)));
        }
    }
    for object in history.objects.iter().filter(|object| is_theirs(companion, object)) {
        let mut runs = history.runs.iter().filter(|run| run.life == life && run.uid == uid(object));
        if !runs.any(|run| run.ended.is_none() || run.by_itself) && !companion.fails() {
            violations.push(Violation(format!("it doesn't run for {}", uid(object))));
        }
    }
    violations
}

fn is_theirs(companion: &Companion, object: &Arc<Value>) -> bool {
    !is_deleting(object) && companion.concerns(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemon::Way,
        invariants::sample::{Telling, UID},
        record::Moment,
        role::Want,
    };
    use jiff::Timestamp;
    use std::time::Duration;

    /// A run from one recorded event to another.
    fn run(uid: &str, life: usize, begun: usize, ended: Option<usize>) -> Run {
        let moment = |turn| Moment { turn, revision: 0 };
        let at = Timestamp::UNIX_EPOCH;
        let (begun, ended) = (moment(begun), ended.map(moment));
        Run { uid: uid.to_owned(), life, begun, at, ended, by_itself: false }
    }

    fn history(telling: Telling, runs: Vec<Run>) -> History {
        let mut history = telling.history();
        let way = Way::Patient(Duration::ZERO);
        history.world.daemon = Some(Companion { filter: None, way, backoff: Duration::ZERO });
        history.runs = runs;
        history
    }

    #[test]
    fn two_runs_at_the_same_time_are_found() {
        let found = |runs: Vec<Run>| once(&history(Telling::of([]), runs)).len();
        assert_eq!(found(vec![run("a", 0, 1, Some(5)), run("a", 0, 5, None), run("b", 0, 2, None)]), 0);
        assert_eq!(found(vec![run("a", 0, 1, Some(5)), run("a", 0, 4, None)]), 1);
        assert_eq!(found(vec![run("a", 0, 1, None), run("a", 0, 4, Some(5))]), 1);
        assert_eq!(found(vec![run("a", 0, 1, None), run("a", 1, 4, None)]), 0, "another operator");
    }

    #[test]
    fn runs_that_outlive_the_object_the_filter_or_the_operator_and_missing_ones_are_found() {
        let found = |telling: Telling, runs| for_its_objects(&history(telling, runs)).len();
        let runs = || vec![run(UID, 0, 1, None)];
        assert_eq!(found(Telling::of([]), runs()), 0);
        assert_eq!(found(Telling::of([]), vec![run(UID, 0, 1, Some(2))]), 1, "it has stopped");
        assert_eq!(found(Telling::of([]).deleted(), runs()), 1);
        assert_eq!(found(Telling::of([]).let_go(), runs()), 1);
        assert_eq!(
            found(Telling::of([]).restarted(), runs()),
            2,
            "it runs in another life, and not in this one"
        );
        let mut unmatched = history(Telling::of([]), runs());
        if let Some(companion) = &mut unmatched.world.daemon {
            companion.filter = Some(("spec.y", Want::Present));
        }
        assert_eq!(for_its_objects(&unmatched).len(), 1);
        let mut done = vec![run(UID, 0, 1, Some(2))];
        done[0].by_itself = true;
        assert_eq!(found(Telling::of([]), done), 0);
    }
}
