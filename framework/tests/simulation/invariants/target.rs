//! Targets of writes: each hits the object that it is for.

use crate::{
    history::{History, Violation, Written},
    record::Called,
};
use korf_testing::api::{Effect, Request};
use serde_json::Value;
use std::time::Duration;

/// Each patch of ours carries the object's uid; one of the status, the resource version instead; one of finalizers, both.
pub fn guarded(history: &History) -> Vec<Violation> {
    let ours = history.writes.iter().filter(|write| write.ours);
    let wrong = ours.filter(|write| {
        write.request.method != "PATCH" || !is_guarded(&write.request, write.effect.as_ref())
    });
    wrong.map(|write| Violation(write.request.to_string())).collect()
}

fn is_guarded(request: &Request, effect: Option<&Effect>) -> bool {
    let metadata = &request.body["metadata"];
    let names = |field: &str| {
        let before = effect.and_then(|effect| effect.before.as_ref());
        let hit = before.is_none_or(|before| before["metadata"][field] == metadata[field]);
        metadata[field].is_string() && hit
    };
    let of_status = request.path.ends_with("/status");
    let exclusive = of_status || metadata["finalizers"] != Value::Null;
    (of_status || names("uid")) && (!exclusive || names("resourceVersion"))
}

/// After a conflict, the object is read before it is written again. A later turn may begin with the old version once more.
const TURN: Duration = Duration::from_secs(10);

/// A write that was answered by a conflict isn't sent again as it was: it would conflict for ever. What another call asks
/// for may happen to be the same.
pub fn in_vain(history: &History) -> Vec<Violation> {
    let conflicting: Vec<_> = history.writes.iter().filter(|write| write.ours && write.conflicts).collect();
    let repeats = |write: &Written, before: &Written| {
        let soon = write.at.duration_since(before.at).unsigned_abs() < TURN;
        write.request == before.request && soon && !has_ended_between(history, before, write)
    };
    let repeated = conflicting
        .iter()
        .enumerate()
        .filter(|(at, write)| conflicting[..*at].iter().any(|before| repeats(write, before)));
    repeated.map(|(_, write)| Violation(write.request.to_string())).collect()
}

/// Whether a call for the object has ended between two writes.
fn has_ended_between(history: &History, before: &Written, write: &Written) -> bool {
    let of_object = |call: &&Called| write.request.path.split('/').any(|part| part == call.body.name());
    history.calls.iter().filter(of_object).any(|call| {
        let ended = call.at + call.took;
        ended > before.at && ended <= write.at
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{FINALIZER, Telling, UID, role, x},
        role::Cue,
        script::Ending::Succeeded,
    };
    use korf::Reason::Update;
    use serde_json::json;

    fn wrong(patch: Value, body: Value) -> usize {
        guarded(&Telling::of([]).ours_unguarded(patch, body).history()).len()
    }

    #[test]
    fn a_write_without_its_guards_is_found() {
        assert_eq!(guarded(&Telling::of([]).ours(x(2)).held().history()), []);
        assert_eq!(wrong(x(2), x(2)), 1);
        let of = |uid: &str| json!({"metadata": {"uid": uid}, "spec": {"x": 2}});
        assert_eq!((wrong(x(2), of(UID)), wrong(x(2), of("uid-0"))), (0, 1));
    }

    #[test]
    fn a_write_that_is_repeated_after_a_conflict_is_found() {
        let mut history = Telling::of([]).ours(x(2)).ours(x(2)).history();
        history.writes.iter_mut().for_each(|write| write.conflicts = true);
        assert_eq!(in_vain(&history), [], "of another version");
        history.writes[2].request = history.writes[1].request.clone();
        assert_eq!(in_vain(&history).len(), 1);
        history.writes[1].conflicts = false;
        assert_eq!(in_vain(&history), [], "its answer was lost");
        let told = Telling::of([role("u", Cue::Update)]).ours(x(2)).call("u", Update, Succeeded).ours(x(2));
        let mut again = told.history();
        again.writes.iter_mut().for_each(|write| write.conflicts = true);
        again.writes[2].request = again.writes[1].request.clone();
        assert_eq!(in_vain(&again), [], "a later call has asked for it");
    }

    #[test]
    fn a_write_of_finalizers_without_a_version_is_found() {
        let patch = json!({"metadata": {"finalizers": [FINALIZER]}});
        let body = json!({"metadata": {"finalizers": [FINALIZER], "uid": UID}});
        assert_eq!(wrong(patch, body), 1);
    }
}
