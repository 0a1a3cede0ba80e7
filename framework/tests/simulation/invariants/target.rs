//! What is written is written to the object that it is for.

use crate::history::{History, Violation};
use korf::testing::api::{Effect, Request};
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
