//! Ends of cycles: a change counts as handled when all of its handlers are done, and not before; and no more than what all
//! of them have seen counts as handled.

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

/// A change of the diff-base, which ends a cycle.
struct Closing<'a> {
    effect: &'a Effect,
    uid: &'a str,
    /// The diff-base before, and the revision that it is of.
    before: Option<Value>,
    since: u64,
    /// The object's states since then.
    states: Vec<&'a Value>,
    /// The first of their versions that is the diff-base now: later changes count as unhandled.
    handled: u64,
}

impl Closing<'_> {
    /// Whether the object differed from the diff-base before, and was one that a handler is for, from the state on that
    /// counts as handled. A handler whose turn comes after a reversal is not called for what that reverted.
    fn stays(&self, is_for: impl Fn(&Value) -> bool) -> bool {
        let mut since = self.states.iter().filter(|state| version(state) >= self.handled);
        since.all(|state| is_for(state))
    }
}

/// A creation counts as handled only after each create handler is done.
pub fn creations(history: &History) -> Vec<Violation> {
    let first = |closing: &Closing<'_>| closing.before.is_none();
    check(history, first, Reason::Create, |role, closing| {
        let field = |state: &Value| role.field.map(|field| resolve(state, field).clone());
        role.has(Cue::Create)
            || (role.has(Cue::Field)
                && closing.states.iter().all(|state| field(state).is_some_and(|value| wants(role, &value))))
    })
}

/// An update counts as handled only after each update handler is done.
pub fn updates(history: &History) -> Vec<Violation> {
    let later = |closing: &Closing<'_>| closing.before.is_some();
    check(history, later, Reason::Update, |role, closing| {
        let Some(field) = role.field else {
            let differs = |state: &Value| Some(&history.world.essence(state)) != closing.before.as_ref();
            return role.has(Cue::Update) && closing.stays(differs);
        };
        let before = closing.before.as_ref().map_or(&Value::Null, |before| resolve(before, field));
        closing.stays(|state| {
            let value = resolve(state, field);
            value != before && wants(role, value)
        })
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
        let roles = history.world.roles.iter().filter(|role| !role.handles_events()).filter(marked);
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
        // A handler may time out before it can be called for the state that counts as handled, or wait for its sub-handlers
        // with no attempt left.
        let spent = role.parts && role.is_last(call.attempt);
        let saw = role.limits.timeout.is_some() || spent || version(call.body.value()) >= closing.handled;
        call.id == role.id && call.reason == Some(reason) && in_time && ended && saw
    })
}

/// All changes of an object's diff-base.
fn closings<'a>(history: &'a History, uid: &'a str) -> Vec<Closing<'a>> {
    let world = &history.world;
    let base =
        |object: &Option<std::sync::Arc<Value>>| object.as_ref().and_then(|object| history.base(object));
    let mut since = 0;
    let mut found = Vec::new();
    for (ours, effect) in history.effects_on(uid) {
        let (before, after) = (base(&effect.before), base(&effect.after));
        if !ours || before == after || after.is_none() {
            continue;
        }
        let last = effect.before.as_ref().map_or(0, |object| version(object));
        let states = history.states_of(uid).filter(|(version, _)| (since..=last).contains(version));
        let states: Vec<_> = states.map(|(_, state)| state).collect();
        let handled = states.iter().find(|state| after.as_ref() == Some(&world.essence(state)));
        let handled = handled.map_or(0, |state| version(state));
        found.push(Closing { effect, uid, before, since, states, handled });
        since = effect.revision;
    }
    found
}

/// A parent succeeds only after all of its sub-handlers are done.
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
        // Resuming goes on when an update comes in between.
        let same = sub.reason == call.reason || (resumes && sub.reason.is_some_and(Reason::is_resumption));
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
        // Work for this change doesn't count for the next one.
        let next = begun().call("v", Reason::Update, Succeeded).closed().user(x(3)).closed();
        assert_eq!(updates(&next.history()).len(), 2);
    }

    #[test]
    fn a_handler_is_not_missed_where_the_change_was_reverted_meanwhile() {
        let told =
            Telling::of([role("u", Cue::Update), role("v", Cue::Update)]).user(x(1)).closed().user(x(2));
        let seen = json!({"spec": {"x": 2}}).to_string();
        let told = told.call("u", Reason::Update, Succeeded).user(x(1));
        assert_eq!(updates(&told.kept("last-handled-configuration", &seen).history()), []);
    }

    #[test]
    fn no_more_counts_as_handled_than_all_handlers_have_seen() {
        let told = || {
            let told = Telling::of([role("u", Cue::Update), role("v", Cue::Update)]).closed().user(x(2));
            told.call("u", Reason::Update, Succeeded).user(x(3)).call("v", Reason::Update, Succeeded)
        };
        let seen = json!({"spec": {"x": 2}}).to_string();
        assert_eq!(updates(&told().kept("last-handled-configuration", &seen).history()), []);
        assert_eq!(updates(&told().closed().history()).len(), 1);
        assert_eq!(updates(&told().call("u", Reason::Update, Succeeded).closed().history()), []);
    }

    #[test]
    fn a_field_handler_is_missed_too_where_its_field_differs_to_the_end() {
        let mut fielded = role("u", Cue::Field);
        fielded.field = Some("spec.x");
        let told = Telling::of([fielded.clone()]).user(x(1)).closed().user(x(2));
        assert_eq!(updates(&told.clone().closed().history()).len(), 1);
        assert_eq!(updates(&told.user(x(1)).user(json!({"spec": {"y": 1}})).closed().history()), []);
        let later = Telling::of([role("v", Cue::Update), fielded]).user(x(1)).closed();
        let later = later.user(json!({"spec": {"y": 1}})).call("v", Reason::Update, Succeeded).user(x(2));
        let seen = json!({"spec": {"x": 1, "y": 1}}).to_string();
        assert_eq!(updates(&later.kept("last-handled-configuration", &seen).history()), []);
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
