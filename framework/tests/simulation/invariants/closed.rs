//! A change counts as handled when all of its handlers are done, and not before.

use crate::{
    history::{History, Violation, version},
    record::Called,
    role::{Cue, Role},
    script::Ending,
    world::resolve,
};
use korf::Reason;
use korf_testing::api::Effect;
use serde_json::Value;

/// A change of what counts as handled.
struct Closing<'a> {
    effect: &'a Effect,
    uid: &'a str,
    /// What counted before, and since which revision.
    before: Option<Value>,
    since: u64,
    /// The states that the object had meanwhile.
    states: Vec<&'a Value>,
}

/// A creation is noted as handled after each handler of creations was done.
pub fn creations(history: &History) -> Vec<Violation> {
    let first = |closing: &Closing<'_>| closing.before.is_none();
    check(history, first, Reason::Create, |role, closing| {
        let field = |state: &Value| role.field.map(|field| resolve(state, field).clone());
        role.has(Cue::Create)
            || (role.has(Cue::Field)
                && closing.states.iter().all(|state| field(state).is_some_and(|value| wants(role, &value))))
    })
}

/// An update is noted as handled after each handler of updates was done.
pub fn updates(history: &History) -> Vec<Violation> {
    let later = |closing: &Closing<'_>| closing.before.is_some();
    check(history, later, Reason::Update, |role, closing| {
        let Some(field) = role.field else { return role.has(Cue::Update) };
        let before = closing.before.as_ref().map_or(&Value::Null, |before| resolve(before, field));
        let is_for = |state: &&Value| {
            let value = resolve(state, field);
            value != before && wants(role, value)
        };
        closing.states.iter().all(is_for)
    })
}

fn wants(role: &Role, value: &Value) -> bool {
    !value.is_null() && role.value.as_ref().is_none_or(|wanted| wanted.holds(value))
}

fn check(
    history: &History,
    which: impl Fn(&Closing<'_>) -> bool,
    reason: Reason,
    is_for: impl Fn(&Role, &Closing<'_>) -> bool,
) -> Vec<Violation> {
    let closings = history.uids().flat_map(|uid| closings(history, uid)).filter(|closing| which(closing));
    let mut violations = Vec::new();
    for closing in closings {
        let marked = |role: &&Role| closing.states.iter().all(|state| role.marked(state));
        let roles = history.world.roles.iter().filter(|role| !role.is_spy()).filter(marked);
        for role in roles.filter(|role| is_for(role, &closing)) {
            if !is_done(history, role, &closing, reason) {
                let Closing { uid, effect, .. } = &closing;
                let text = format!("{} was not done for {uid} before {}", role.id, effect.revision);
                violations.push(Violation(text));
            }
        }
    }
    violations
}

fn is_done(history: &History, role: &Role, closing: &Closing<'_>, reason: Reason) -> bool {
    history.calls_for(closing.uid).any(|call| {
        let in_time = call.begun.revision >= closing.since && call.ended.revision < closing.effect.revision;
        let ended = role.is_done_after(call.attempt, call.ending) != Some(false);
        call.id == role.id && call.reason == Some(reason) && in_time && ended
    })
}

/// All changes of an object's diff-base.
fn closings<'a>(history: &'a History, uid: &'a str) -> Vec<Closing<'a>> {
    let world = &history.world;
    let base = |object: &Option<std::sync::Arc<Value>>| object.as_ref().and_then(|object| world.base(object));
    let mut since = 0;
    let mut found = Vec::new();
    for (ours, effect) in history.effects_on(uid) {
        let (before, after) = (base(&effect.before), base(&effect.after));
        if !ours || before == after || after.is_none() {
            continue;
        }
        let last = effect.before.as_ref().map_or(0, |object| version(object));
        let states = history.states_of(uid).filter(|(version, _)| (since..=last).contains(version));
        found.push(Closing { effect, uid, before, since, states: states.map(|(_, state)| state).collect() });
        since = effect.revision;
    }
    found
}

/// A parent that has succeeded has had all of its sub-handlers done.
pub fn sub_handlers(history: &History) -> Vec<Violation> {
    let succeeded = history.calls.iter().enumerate().filter(|(_, call)| call.ending == Ending::Succeeded);
    let early = succeeded.flat_map(|(at, call)| {
        let role = history.role(call).filter(|role| role.parts);
        let parts = call.body.value()["spec"]["parts"].as_array().into_iter().flatten();
        let ids = parts
            .filter_map(Value::as_str)
            .filter_map(move |part| Some((role?, format!("{}/{part}", role?.id))));
        let early = ids.filter(|(role, id)| !is_done_before(history, role, id, call));
        early.map(move |(_, id)| Violation(format!("{id} was not done before call {at} had succeeded")))
    });
    early.collect()
}

fn is_done_before(history: &History, role: &Role, id: &str, call: &Called) -> bool {
    let resumes = role.cues.iter().any(|cue| matches!(cue, Cue::Resume { .. }));
    history.calls_for(call.body.uid()).filter(|sub| sub.id == id).any(|sub| {
        // What was resumed goes on where an update comes in between.
        let same = sub.reason == call.reason || (resumes && sub.reason == Some(Reason::Resume));
        let ended = role.is_done_after(sub.attempt, sub.ending) != Some(false);
        same && ended && sub.ended.turn < call.ended.turn
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        script::Ending::{Interrupted, Succeeded, Temporary},
    };
    use serde_json::json;

    #[test]
    fn a_creation_counts_as_handled_when_its_handlers_are_done() {
        let told = |ending| Telling::of([role("c", Cue::Create)]).call("c", Reason::Create, ending).closed();
        assert_eq!(creations(&told(Succeeded).history()), []);
        for ending in [Temporary, Interrupted] {
            assert_eq!(creations(&told(ending).history()).len(), 1, "{ending:?}");
        }
        assert_eq!(creations(&Telling::of([role("c", Cue::Create)]).closed().history()).len(), 1);
    }

    #[test]
    fn an_update_counts_as_handled_when_all_of_its_handlers_are_done_with_it() {
        let begun = || {
            let begun = Telling::of([role("u", Cue::Update), role("v", Cue::Update)]).closed().user(x(2));
            begun.call("u", Reason::Update, Succeeded)
        };
        assert_eq!(updates(&begun().closed().history()).len(), 1);
        let all = begun().call("v", Reason::Update, Succeeded).closed();
        assert_eq!(updates(&all.history()), []);
        // What they have done for this change is nothing done for the next one.
        let next = begun().call("v", Reason::Update, Succeeded).closed().user(x(3)).closed();
        assert_eq!(updates(&next.history()).len(), 2);
    }

    #[test]
    fn a_handler_that_is_not_for_the_object_is_not_missed() {
        let mut labelled = role("u", Cue::Update);
        labelled.label = Some(("tier", crate::role::Want::Present));
        let told = Telling::of([labelled]).closed().user(x(2)).closed();
        assert_eq!(updates(&told.history()), []);
    }

    #[test]
    fn a_parent_does_not_succeed_before_its_sub_handlers() {
        let told = |cue, reasons: [Reason; 2], ending| {
            let mut parent = role("c", cue);
            parent.parts = true;
            let told = Telling::of([parent]).user(json!({"spec": {"parts": ["p"]}}));
            let told = told.begin("c", Some(reasons[0])).begin("c/p", Some(reasons[1]));
            let mut history = told.end(Succeeded).end(Succeeded).history();
            history.calls[1].ending = ending;
            history.calls[1].ended.turn = history.calls[0].ended.turn - 1;
            history
        };
        let (created, resumed) = ([Reason::Create; 2], [Reason::Update, Reason::Resume]);
        let resumes = || Cue::Resume { deleted: false };
        assert_eq!(sub_handlers(&told(Cue::Create, created, Succeeded)), []);
        assert_eq!(sub_handlers(&told(Cue::Create, created, Temporary)).len(), 1);
        assert_eq!(sub_handlers(&told(resumes(), resumed, Succeeded)), []);
        assert_eq!(sub_handlers(&told(Cue::Update, resumed, Succeeded)).len(), 1);
    }
}
