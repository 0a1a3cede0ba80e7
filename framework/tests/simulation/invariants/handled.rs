//! Last states: update and field handlers have seen the state that stays, also after a change was reverted.

use crate::{
    history::{History, Violation, is_deleting, uid},
    record::Called,
    role::{Cue, Role},
    script::Ending,
    world::resolve,
};
use korf::Reason;
use serde_json::Value;

/// The last state that an update handler has seen, as far as that was recorded, is the object's final state; except for
/// objects that no handler is for any more.
pub fn last_state(history: &History) -> Vec<Violation> {
    let world = &history.world;
    let concerned = |object: &Value| {
        let mut handlers = world.roles.iter().filter(|role| !role.handles_events());
        handlers.any(|role| role.concerns(world, object))
    };
    let objects = history.objects.iter().filter(|object| !is_deleting(object) && concerned(object));
    let of_updates = |role: &&Role| role.has(Cue::Update) || role.has(Cue::Field);
    let missed = |object| {
        let roles = world.roles.iter().filter(of_updates);
        roles.filter_map(|role| check(history, role, object)).collect::<Vec<_>>()
    };
    objects.flat_map(|object| missed(object)).collect()
}

fn check(history: &History, role: &Role, object: &Value) -> Option<Violation> {
    let uid = uid(object);
    let always = || history.states_of(uid).all(|(_, state)| role.marked(state));
    if !role.marked(object) || (role.field.is_some() && !always()) {
        return None;
    }
    let calls =
        history.calls_for(uid).filter(|call| call.id == role.id && call.reason != Some(Reason::Delete));
    let mut calls = calls.rev().filter(|call| history.is_recorded(call)).peekable();
    // It may have timed out before it could be called for the next change, or have waited for its sub-handlers with no
    // attempt left.
    let given_up = |call: &&Called| {
        let waited = role.parts && role.is_last(call.attempt) && call.ending != Ending::Succeeded;
        waited || role.is_done_after(call.attempt, call.ending).is_none()
    };
    if calls.peek().is_some_and(given_up) {
        return None;
    }
    let last = history.world.essence(object);
    let seen = seen(history, uid, calls);
    let missed = !seen.is_empty() && !seen.iter().any(|seen| is_same(role, seen, &last));
    missed.then(|| Violation(format!("{} of {uid} has seen {} last, and it is {last}", role.id, seen[0])))
}

/// The states that a handler knows by its recorded calls, the last one first: the last one that it accepted, and all that
/// it rejected since. If it never accepted any, the diff-base before; without any call, the first diff-base.
fn seen<'a>(history: &History, uid: &str, calls: impl Iterator<Item = &'a Called>) -> Vec<Value> {
    let (mut seen, mut first) = (Vec::new(), None);
    for call in calls {
        seen.push(Value::clone(&call.new));
        if call.ending != Ending::Unreadable {
            return seen;
        }
        first = Some(call);
    }
    let base = match first {
        // It rejected a new object: it has seen nothing.
        Some(call) => Some(history.base(call.body.value()).unwrap_or_default()),
        None => history.states_of(uid).find_map(|(_, state)| history.base(state)),
    };
    seen.extend(base);
    seen
}

fn is_same(role: &Role, seen: &Value, last: &Value) -> bool {
    let Some(field) = role.field else { return seen == last };
    let (seen, last) = (resolve(seen, field), resolve(last, field));
    match &role.value {
        None => seen == last,
        Some(wanted) => wanted.holds(seen) == wanted.holds(last) && (!wanted.holds(last) || seen == last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        script::Ending::{Arbitrary, Succeeded, Unreadable},
    };
    use Reason::{Create, Update};
    use serde_json::json;

    fn begun() -> Telling {
        Telling::of([role("u", Cue::Update)]).closed().user(x(2))
    }

    #[test]
    fn a_handler_has_seen_what_stays() {
        let handled = begun().call("u", Update, Succeeded).closed();
        assert_eq!(last_state(&handled.history()), []);
        let unhandled = begun().closed();
        assert_eq!(last_state(&unhandled.history()).len(), 1);
    }

    #[test]
    fn a_handler_has_seen_that_a_change_was_taken_back() {
        let tried = || begun().call("u", Update, Arbitrary).kept("u", "tried").user(x(1));
        assert_eq!(last_state(&tried().history()).len(), 1);
        let erased = json!({"metadata": {"annotations": {"kopf.zalando.org/u": null}}});
        assert_eq!(last_state(&tried().call("u", Update, Succeeded).ours(erased).history()), []);
    }

    #[test]
    fn a_call_that_was_not_recorded_when_the_operator_died_does_not_count() {
        let lost = begun().call("u", Update, Succeeded).restarted().user(x(1));
        assert_eq!(last_state(&lost.history()), []);
    }

    #[test]
    fn a_field_handler_has_seen_its_field() {
        let of = || {
            let mut role = role("f/spec.x", Cue::Field);
            role.field = Some("spec.x");
            Telling::of([role]).closed()
        };
        assert_eq!(last_state(&of().user(json!({"spec": {"y": 1}})).history()), []);
        assert_eq!(last_state(&of().user(x(2)).history()).len(), 1);
    }

    #[test]
    fn a_handler_has_not_seen_what_it_rejected() {
        let of = || {
            let mut role = role("f/spec.y", Cue::Field);
            role.field = Some("spec.y");
            Telling::of([role])
        };
        let y = |y| json!({"spec": {"y": y}});
        let rejected =
            |told: Telling| told.user(y(json!(2))).call("f/spec.y", Create, Unreadable).kept("f", "rejected");
        assert_eq!(last_state(&rejected(of()).user(y(Value::Null)).history()), []);
        assert_eq!(last_state(&rejected(of()).user(y(json!(3))).history()).len(), 1);
        let handled = || of().user(y(json!(1))).call("f/spec.y", Create, Succeeded).closed();
        assert_eq!(last_state(&rejected(handled()).user(y(json!(1))).history()), []);
        assert_eq!(last_state(&rejected(handled()).user(y(Value::Null)).history()).len(), 1);
    }

    #[test]
    fn a_handler_that_rejected_everything_has_seen_what_others_handled_before() {
        let of = || {
            let mut reader = role("f/spec.y", Cue::Field);
            reader.field = Some("spec.y");
            Telling::of([reader])
        };
        let y = |y: Value| json!({"spec": {"y": y}});
        let handled = of().closed().user(y(json!(1))).closed().user(y(json!(2)));
        let rejected = || handled.clone().call("f/spec.y", Update, Unreadable).kept("f", "rejected");
        assert_eq!(last_state(&rejected().user(y(json!(1))).history()), []);
        assert_eq!(last_state(&rejected().user(y(Value::Null)).history()).len(), 1);
        let created =
            of().user(y(json!(2))).call("f/spec.y", Create, Unreadable).kept("f", "rejected").closed();
        assert_eq!(last_state(&created.user(y(Value::Null)).closed().history()), []);
    }
}
