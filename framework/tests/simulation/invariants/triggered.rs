//! Triggers: none is lost.

use crate::{
    bell::Rung,
    history::{History, Violation, is_deleting, uid},
    role::{Cue, Role},
};
use serde_json::Value;

/// In its last life, the operator has called the resume handlers for each object that was triggered, and has begun with that
/// after the trigger.
pub fn none_lost(history: &History) -> Vec<Violation> {
    let life = history.lives.len().saturating_sub(1);
    let mut violations = Vec::new();
    for rung in history.rungs.iter().filter(|rung| rung.life == life) {
        for object in history.objects.iter().filter(|object| is_concerned(history, rung, object)) {
            let uid = uid(object);
            let states: Vec<_> = history.states_of(uid).collect();
            let since = states.iter().rposition(|(version, _)| *version <= rung.moment.revision);
            let states = since.map_or(&[][..], |since| &states[since..]);
            let missed = resuming(history).filter(|role| {
                let ours = states.iter().all(|(_, state)| role.marked(state));
                let called = |call: &crate::record::Called| {
                    call.id == role.id && call.event.is_none() && call.begun.turn > rung.moment.turn
                };
                ours && !history.calls_for(uid).any(called)
            });
            let text = |role: &Role| format!("{} was not called for {uid} after {rung:?}", role.id);
            violations.extend(missed.map(|role| Violation(text(role))));
        }
    }
    violations
}

fn resuming(history: &History) -> impl Iterator<Item = &Role> {
    let resumes = |role: &&Role| role.cues.iter().any(|cue| matches!(cue, Cue::Resume { .. }));
    history.world.roles.iter().filter(resumes)
}

/// Whether a trigger is for an object that had been handled by then, and has been readable since.
fn is_concerned(history: &History, rung: &Rung, object: &Value) -> bool {
    let uid = uid(object);
    if is_deleting(object) || !rung.is_for(object["metadata"]["name"].as_str().unwrap_or_default()) {
        return false;
    }
    let mut states = history.states_of(uid);
    let Some((_, before)) = states.rfind(|(version, _)| *version <= rung.moment.revision) else {
        return false;
    };
    let begun = history
        .calls_for(uid)
        .any(|call| call.life == rung.life && call.event.is_none() && call.begun.turn < rung.moment.turn);
    // Before the first turn of this life, a cycle of an earlier one may go on instead.
    let handled = history.world.base(before).is_some() && (begun || history.world.kept(before).len() == 1);
    // One that is rejected waits for its next change.
    let broken = |state: &Value| history.world.roles.iter().any(|role| role.rejects(state));
    handled && !history.states_of(uid).any(|(_, state)| broken(state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role},
        script::Ending::Succeeded,
    };
    use korf::Reason::{Resume, Triggered};

    #[test]
    fn a_trigger_without_a_call_after_it_is_found() {
        let told = || Telling::of([role("r", Cue::Resume { deleted: false })]).closed();
        let resumed = || told().call("r", Resume, Succeeded);
        assert_eq!(none_lost(&resumed().ring().call("r", Triggered, Succeeded).history()), []);
        assert_eq!(none_lost(&resumed().ring().history()).len(), 1);
        assert_eq!(none_lost(&resumed().ring().restarted().history()), [], "it is resumed anyway");
        let unhandled = Telling::of([role("r", Cue::Resume { deleted: false })]).ring();
        assert_eq!(none_lost(&unhandled.history()), [], "it is new");
    }
}
