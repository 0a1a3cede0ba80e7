//! Rest: the objects when there is nothing more to do.

use super::daemons;
use crate::{
    history::{History, Violation, is_deleting, uid},
    role::Role,
    script::Ending,
};
use korf::Reason;
use serde_json::{Value, json};

/// An object's diff-base is its essence, and it has no other records; the finalizer is there where a delete handler or
/// a daemon needs it. An object that is being deleted is held by a handler that failed; one without handlers has no records at all.
pub fn at_rest(history: &History) -> Vec<Violation> {
    let wrong = history.objects.iter().filter_map(|object| {
        let why = if is_deleting(object) { deleting(history, object) } else { alive(history, object) };
        why.map(|why| Violation(format!("{}: {why}", uid(object))))
    });
    wrong.collect()
}

fn alive(history: &History, object: &Value) -> Option<String> {
    let world = &history.world;
    let needs =
        |role: &Role| role.deletion().is_some_and(|(optional, _)| !optional) && role.concerns(world, object);
    let kept = daemons::is_kept(history, object);
    match (kept || world.roles.iter().any(needs), world.holds(object)) {
        (true, false) => return Some("its finalizer is missing".to_owned()),
        (false, true) => return Some("no handler needs its finalizer".to_owned()),
        _ => {}
    }
    let handlers = || world.roles.iter().filter(|role| !role.handles_events());
    let concerned = |object: &Value| handlers().any(|role| role.concerns(world, object));
    if !concerned(object) {
        let never = !history.states_of(uid(object)).any(|(_, state)| concerned(state));
        let kept = world.kept(object);
        return (never && !kept.is_empty())
            .then(|| format!("no handler is for it, but {kept:?} is kept on it"));
    }
    let (base, essence) = (history.base(object), world.essence(object));
    // A handler that has begun goes on when its filter no longer fits.
    let rejected = |role: &Role| {
        let last = history.calls_for(uid(object)).rfind(|call| call.id == role.id);
        last.is_some_and(|call| call.ending == Ending::Unreadable && *call.new == essence)
    };
    if handlers().any(|role| role.rejects(object) && (role.marked(object) || rejected(role))) {
        return None;
    }
    if base.as_ref() != Some(&essence) {
        return Some(format!("it is {essence}, and {base:?} was handled"));
    }
    // The uid of another object would make it a copy.
    let own = json!(format!("{:?}", uid(object)));
    let kept = world.kept(object).into_iter().filter(|(key, value)| key != "korf-uid" || *value != own);
    let kept: Vec<_> = kept.map(|(key, _)| key).collect();
    (kept.len() > 1).then(|| format!("{kept:?} are left on it"))
}

fn deleting(history: &History, object: &Value) -> Option<String> {
    if !history.world.holds(object) {
        return None;
    }
    let failed = |role: &Role| {
        let calls = history.calls_for(uid(object));
        let last = calls.rev().find(|call| call.id == role.id && call.reason == Some(Reason::Delete));
        last.is_some_and(|call| {
            let ended = role.is_done_after(call.attempt, call.ending) != Some(false);
            // Its outcome died with the operator, and it timed out before it could be called again.
            let late = role.limits.timeout.is_some() && !history.is_recorded(call);
            late || (ended && call.ending != Ending::Succeeded)
        })
    };
    let recorded = |role: &Role| {
        history.world.progress(object, &role.id).is_some_and(|progress| progress["failure"] == true)
    };
    let keeps = |role: &&Role| role.deletion().is_some_and(|(optional, lets_go)| !optional && !lets_go);
    let held = history.world.roles.iter().filter(keeps).any(|role| failed(role) && recorded(role));
    (!held).then(|| "it is being deleted, and no handler holds it back".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{DELETION, Telling, role, x},
        role::{Cue, Want},
        script::Ending::{Permanent, Succeeded, Unreadable},
    };
    use std::time::Duration;

    fn wrong(told: Telling) -> usize {
        at_rest(&told.history()).len()
    }

    #[test]
    fn at_rest_the_essence_is_the_diff_base_and_nothing_else_is_kept() {
        let told = || Telling::of([role("u", Cue::Update)]);
        assert_eq!(wrong(told().closed()), 0);
        assert_eq!(wrong(told()), 1);
        assert_eq!(wrong(told().closed().user(x(2))), 1);
        assert_eq!(wrong(told().closed().kept("u", "{}")), 1);
        assert_eq!(wrong(told().closed().kept("korf-uid", "\"other\"")), 1);
    }

    #[test]
    fn at_rest_the_finalizer_is_there_where_it_is_needed() {
        let told = |cue| Telling::of([role("h", cue)]).closed();
        assert_eq!((wrong(told(DELETION)), wrong(told(DELETION).held())), (1, 0));
        assert_eq!((wrong(told(Cue::Update)), wrong(told(Cue::Update).held())), (0, 1));
    }

    #[test]
    fn a_rejected_object_waits() {
        let mut reads = role("u", Cue::Update);
        reads.reads = true;
        let told = Telling::of([reads]).closed().user(json!({"spec": {"broken": true}}));
        assert_eq!(wrong(told.kept("u", "{}")), 0);
    }

    #[test]
    fn an_object_that_was_rejected_by_a_handler_that_had_begun_waits_too() {
        let mut reads = role("u", Cue::Update);
        (reads.reads, reads.label) = (true, Some(("tier", Want::Absent)));
        let told = Telling::of([reads, role("c", Cue::Create)]).closed();
        let told =
            || told.clone().user(json!({"metadata": {"labels": {"tier": "x"}}, "spec": {"broken": true}}));
        assert_eq!(wrong(told()), 1);
        assert_eq!(wrong(told().call("u", Reason::Update, Unreadable).kept("u", "{}")), 0);
        let other = json!({"spec": {"y": 1}});
        assert_eq!(wrong(told().call("u", Reason::Update, Unreadable).kept("u", "{}").user(other)), 1);
    }

    #[test]
    fn nothing_is_kept_on_an_object_without_handlers() {
        let told = || {
            let mut labelled = role("u", Cue::Update);
            labelled.label = Some(("tier", Want::Present));
            Telling::of([labelled])
        };
        assert_eq!((wrong(told()), wrong(told().closed())), (0, 1));
    }

    const FAILURE: &str = r#"{"retries":1,"success":false,"failure":true}"#;

    #[test]
    fn only_a_handler_that_has_failed_holds_a_deleted_object() {
        let told = |ending| {
            let told = Telling::of([role("d", DELETION)]).held().closed().deleted();
            wrong(told.call("d", Reason::Delete, ending).kept("d", FAILURE))
        };
        assert_eq!((told(Permanent), told(Succeeded)), (0, 1));
        assert_eq!(wrong(Telling::of([role("d", DELETION)]).held().closed().deleted()), 1);
    }

    #[test]
    fn a_handler_whose_success_was_lost_holds_a_deleted_object_if_it_has_timed_out() {
        for (timeout, expected) in [(None, 1), (Some(Duration::from_secs(1)), 0)] {
            let mut limited = role("d", DELETION);
            limited.limits.timeout = timeout;
            let told = Telling::of([limited]).held().closed().deleted();
            let lost = told.call("d", Reason::Delete, Succeeded).restarted().kept("d", FAILURE);
            assert_eq!(wrong(lost), expected, "{timeout:?}");
        }
    }

    #[test]
    fn a_handler_that_was_forgotten_does_not_hold_a_deleted_object() {
        let mut limited = role("d", DELETION);
        limited.limits.timeout = Some(Duration::from_secs(1));
        for (ending, record) in
            [(Succeeded, None), (Permanent, None), (Permanent, Some(r#"{"retries":1,"failure":false}"#))]
        {
            let told = Telling::of([limited.clone()]).held().closed().deleted();
            let told = told.call("d", Reason::Delete, ending).restarted();
            let told = record.into_iter().fold(told, |told, record| told.kept("d", record));
            assert_eq!(wrong(told), 1, "{ending:?} {record:?}");
        }
    }
}
