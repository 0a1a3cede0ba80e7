//! Handlers of updates and of fields have seen the state that stays: also one that was taken back.

use crate::{
    history::{History, Violation, is_deleting, uid},
    role::{Cue, Role},
    world::resolve,
};
use korf::Reason;
use serde_json::Value;

/// What each handler of updates has seen last, as far as it was recorded, is what the object is in the end.
pub fn last_state(history: &History) -> Vec<Violation> {
    let alive = history.objects.iter().filter(|object| !is_deleting(object));
    alive
        .flat_map(|object| {
            let roles =
                history.world.roles.iter().filter(|role| role.has(Cue::Update) || role.has(Cue::Field));
            roles.filter_map(|role| check(history, role, object))
        })
        .collect()
}

fn check(history: &History, role: &Role, object: &Value) -> Option<Violation> {
    let uid = uid(object);
    let always = || history.states_of(uid).all(|(_, state)| role.marked(state));
    if !role.marked(object) || (role.field.is_some() && !always()) {
        return None;
    }
    let calls =
        history.calls_for(uid).filter(|call| call.id == role.id && call.reason != Some(Reason::Delete));
    let call = calls.rev().find(|call| history.is_recorded(call));
    // Its time may have been over before it could be called for what came then.
    if call.is_some_and(|call| role.is_done_after(call.attempt, call.ending).is_none()) {
        return None;
    }
    // Without any call, it is what counted as handled from the beginning.
    let base = || history.states_of(uid).find_map(|(_, state)| history.world.base(state));
    let seen = call.map(|call| Value::clone(&call.new)).or_else(base)?;
    let last = history.world.essence(object);
    (!is_same(role, &seen, &last))
        .then(|| Violation(format!("{} of {uid} has seen {seen} last, and it is {last}", role.id)))
}

fn is_same(role: &Role, seen: &Value, last: &Value) -> bool {
    let Some(field) = role.field else { return seen == last };
    let (seen, last) = (resolve(seen, field), resolve(last, field));
    match &role.value {
        None => seen == last,
        Some(wanted) => wanted.holds(seen) == wanted.holds(last) && (!wanted.holds(last) || seen == last),
    }
}
