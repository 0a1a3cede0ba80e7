//! What is written is written to the object that it is for.

use crate::history::{History, Violation};
use korf_testing::api::{Effect, Request};
use serde_json::Value;

/// Each patch of ours names the object that it is for, or its version: that of its status the version, and so does one of
/// its finalizers.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::{FINALIZER, Telling, UID, x};
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
    fn a_write_of_finalizers_without_a_version_is_found() {
        let patch = json!({"metadata": {"finalizers": [FINALIZER]}});
        let body = json!({"metadata": {"finalizers": [FINALIZER], "uid": UID}});
        assert_eq!(wrong(patch, body), 1);
    }
}
