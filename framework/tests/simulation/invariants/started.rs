//! Starts and watches: calls that follow from them.

use crate::{
    asked::asked,
    history::{History, Violation, is_deleting, uid, version},
    role::{Cue, Role},
};
use korf_testing::api::Effect;
use serde_json::Value;
use std::sync::Arc;

/// In its last life, the operator has called the resume handlers for all objects that were handled before.
pub fn resumed(history: &History) -> Vec<Violation> {
    let Some(life) = history.lives.last() else { return Vec::new() };
    let number = history.lives.len() - 1;
    let mut violations = Vec::new();
    for object in history.objects.iter().filter(|object| !is_deleting(object)) {
        let uid = uid(object);
        let before = history.states_of(uid).rev().find(|(version, _)| *version <= life.begun.revision);
        // With records of an earlier life, the cycle goes on instead.
        let Some((since, _)) = before.filter(|(_, state)| only_base(history, state)) else { continue };
        let since_then = || history.states_of(uid).filter(|(version, _)| *version >= since);
        let called = |role: &Role| {
            let calls = history.calls_for(uid).filter(|call| call.life == number && call.id == role.id);
            calls
                .filter(|call| call.event.is_none())
                .any(|call| role.is_done_after(call.attempt, call.ending) != Some(false))
        };
        let resumes = |role: &&Role| role.cues.iter().any(|cue| matches!(cue, Cue::Resume { .. }));
        let roles = history.world.roles.iter().filter(resumes);
        let roles = roles.filter(|role| since_then().all(|(_, state)| role.marked(state)));
        let missed = roles.filter(|role| !called(role));
        violations.extend(missed.map(|role| Violation(format!("{} was not called for {uid}", role.id))));
    }
    violations
}

fn only_base(history: &History, object: &Value) -> bool {
    history.world.base(object).is_some() && history.world.kept(object).len() == 1
}

/// Event handlers have seen the last version of each object, unless all later changes are their own writes and the records
/// that the operator has written because of these.
pub fn heard(history: &History) -> Vec<Violation> {
    let listeners: Vec<_> = history.world.roles.iter().filter(|role| role.handles_events()).collect();
    let mut violations = Vec::new();
    for object in &history.objects {
        let uid = uid(object);
        for role in listeners.iter().filter(|role| role.marked(object)) {
            let call = history.calls_for(uid).rfind(|call| call.id == role.id);
            let heard = call.map_or(0, |call| version(call.body.value()));
            let begun = call.map_or(0, |call| call.begun.revision);
            if heard != version(object) && !is_own_since(history, uid, heard, begun) {
                let text = format!("{} has seen {heard} of {uid} last, not {}", role.id, version(object));
                violations.push(Violation(text));
            }
        }
    }
    violations
}

/// Whether all changes of an object after a version are event handlers' own writes, and the operator's records behind these.
///
/// Users may have changed it in between, if a handler was called for that after all had been written.
fn is_own_since(history: &History, uid: &str, heard: u64, begun: u64) -> bool {
    let since = || history.effects_on(uid).filter(|(_, effect)| effect.revision > heard);
    let own = since().all(|(ours, effect)| {
        ours && (history.only_keeps(effect) || is_of_event_handlers(history, uid, effect))
    });
    let before = since().all(|(_, effect)| effect.revision <= begun);
    let mut effects = history.effects_on(uid).rev().filter(|(ours, _)| *ours || !before);
    let cause = effects.find(|(ours, effect)| !ours || !history.only_keeps(effect));
    own && cause.is_some_and(|(ours, effect)| ours && is_of_event_handlers(history, uid, effect))
}

/// Whether event handlers asked for a change of the operator's: they were called last, and it contains nothing that they
/// didn't ask for.
fn is_of_event_handlers(history: &History, uid: &str, effect: &Effect) -> bool {
    let calls = history.calls_for(uid).rev().filter(|call| call.ended.revision < effect.revision);
    let calls = calls.take_while(|call| call.event.is_some());
    let mut asked: Vec<_> = calls.filter_map(|call| Some(asked(history.role(call)?, call))).collect();
    asked.reverse();
    let with = |object: &Option<Arc<Value>>| {
        let mut object = history.world.without_kept(object.as_deref().unwrap_or(&Value::Null));
        asked.iter().for_each(|patch| json_patch::merge(&mut object, patch));
        object
    };
    with(&effect.before) == with(&effect.after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, UID, role, x},
        script::{
            Act, Addition,
            Ending::{Interrupted, Succeeded},
            Finale, Script,
        },
    };
    use korf::{
        Reason::{Resume, Update},
        extract::Body,
    };
    use serde_json::json;

    #[test]
    fn what_was_handled_before_a_start_is_resumed() {
        let resume = || role("r", Cue::Resume { deleted: false });
        let started = || Telling::of([resume()]).closed().restarted();
        assert_eq!(resumed(&started().call("r", Resume, Succeeded).history()), []);
        assert_eq!(resumed(&started().history()).len(), 1);
        assert_eq!(resumed(&started().call("r", Resume, Interrupted).history()).len(), 1);
        assert_eq!(resumed(&Telling::of([resume()]).restarted().history()), [], "it is new");
    }

    #[test]
    fn event_handlers_have_seen_the_last_version() {
        let told = || Telling::of([role("e", Cue::Event)]).hear("e");
        assert_eq!(heard(&told().history()), []);
        assert_eq!(heard(&told().user(x(2)).history()).len(), 1);
        assert_eq!(heard(&told().user(x(2)).hear("e").history()), []);
    }

    fn labelled(value: &str) -> Value {
        json!({"metadata": {"labels": {"handled": value}}})
    }

    /// An event handler, which adds a label, and an update handler.
    fn writing() -> Telling {
        let mut listener = role("e", Cue::Event);
        listener.script =
            Script(vec![Act { pauses: Vec::new(), addition: Addition::Label, finale: Finale::Succeed }]);
        Telling::of([listener, role("u", Cue::Update)]).hear("e")
    }

    #[test]
    fn event_handlers_need_not_see_their_own_writes_and_the_records_behind_them() {
        let written = || writing().ours(labelled("yes"));
        assert_eq!(heard(&written().history()), []);
        assert_eq!(heard(&written().held().closed().history()), []);
        assert_eq!(heard(&written().user(x(2)).closed().history()).len(), 1, "a user has written, too");
        let late = |told: Telling| {
            let mut history = told.hear("e").history();
            let states: Vec<_> = history.states_of(UID).map(|(_, state)| state.clone()).collect();
            if let (Some(call), Some(seen)) = (history.calls.last_mut(), states.iter().rev().nth(1)) {
                call.body = Body::from(seen.clone());
            }
            history
        };
        assert_eq!(heard(&late(written().user(x(2)).held().closed())), [], "they were called for that later");
        assert_eq!(heard(&late(writing().user(x(2)).held().closed())).len(), 1, "they have written nothing");
        assert_eq!(heard(&late(written().held().user(x(2)))).len(), 1, "they have not seen it");
        assert_eq!(heard(&writing().held().closed().history()).len(), 1, "they have written nothing");
    }

    #[test]
    fn event_handlers_see_the_writes_of_change_handlers() {
        let written = || writing().ours(labelled("yes"));
        let both = |told: Telling| {
            let key = "kopf.zalando.org/last-handled-configuration";
            told.ours(json!({"metadata": {"annotations": {key: "{}"}}, "status": {"last": 1}}))
        };
        for told in [written(), written().call("u", Update, Succeeded)] {
            assert_eq!(heard(&both(told.clone()).history()).len(), 1, "with the diff-base");
            assert_eq!(heard(&told.ours(json!({"status": {"last": 1}})).closed().history()).len(), 1);
        }
        let alike = writing().call("u", Update, Succeeded).ours(labelled("yes"));
        assert_eq!(heard(&alike.history()).len(), 1, "by the one that was called last");
    }
}
