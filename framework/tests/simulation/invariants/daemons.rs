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

/// A daemon that keeps its object begins with the finalizer, and our finalizer isn't removed while it runs.
pub fn kept(history: &History) -> Vec<Violation> {
    let world = &history.world;
    if !world.daemon.as_ref().is_some_and(|daemon| daemon.keeps) {
        return Vec::new();
    }
    let free = history.runs.iter().filter(|run| !run.finalizers.iter().any(|name| name == world.finalizer()));
    let mut violations: Vec<_> =
        free.map(|run| Violation(format!("it begins for {} without the finalizer", run.uid))).collect();
    for (ours, effect) in history.effects() {
        let holds = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|object| world.holds(object));
        let Some(before) = effect.before.as_ref().filter(|_| ours && holds(&effect.before)) else { continue };
        let during = |run: &&Run| {
            let ended = run.ended.map_or(u64::MAX, |ended| ended.revision);
            run.uid == uid(before) && (run.begun.revision..ended).contains(&effect.revision)
        };
        if let Some(run) = history.runs.iter().find(during).filter(|_| !holds(&effect.after)) {
            violations.push(Violation(format!("{} goes at {} while it runs", run.uid, effect.revision)));
        }
    }
    violations
}

/// Whether a daemon needs the finalizer of an object that is there.
pub fn is_kept(history: &History, object: &Value) -> bool {
    let life = history.last_life_of(uid(object));
    let is_its = |run: &&Run| (run.life, run.uid.as_str()) == (life, uid(object));
    let done = history.runs.iter().filter(is_its).any(|run| run.by_itself);
    let daemon = history.world.daemon.as_ref();
    daemon.is_some_and(|daemon| daemon.keeps && daemon.concerns(object)) && !done
}

fn is_theirs(companion: &Companion, object: &Arc<Value>) -> bool {
    !is_deleting(object) && companion.concerns(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemon::Way,
        invariants::sample::{FINALIZER, Telling, UID},
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
        let finalizers = vec![FINALIZER.to_owned()];
        Run { uid: uid.to_owned(), life, begun, at, finalizers, ended, by_itself: false }
    }

    fn history(telling: Telling, runs: Vec<Run>) -> History {
        let mut history = telling.history();
        let way = Way::Patient(Duration::ZERO);
        history.world.daemon = Some(Companion { filter: None, way, backoff: Duration::ZERO, keeps: false });
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

    #[test]
    fn a_start_without_the_finalizer_and_an_end_before_the_daemon_s_are_found() {
        let found = |told: Telling, runs| {
            let mut history = history(told, runs);
            history.world.daemon.iter_mut().for_each(|daemon| daemon.keeps = true);
            kept(&history).len()
        };
        let until = |revision| {
            let mut run = run(UID, 0, 1, Some(2));
            (run.begun.revision, run.ended) = (2, Some(Moment { turn: 2, revision }));
            run
        };
        let told = || Telling::of([]).held().deleted().let_go();
        assert_eq!(found(told(), vec![until(3)]), 0, "it has ended before the write");
        assert_eq!(found(told(), vec![until(5)]), 1);
        assert_eq!(found(told(), vec![Run { ended: None, ..until(3) }]), 1);
        assert_eq!(found(told(), vec![Run { finalizers: Vec::new(), ..until(3) }]), 1);
    }
}
