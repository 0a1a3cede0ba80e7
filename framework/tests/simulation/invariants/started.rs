//! What follows from a start, and from what the watch says.

use crate::{
    history::{History, Violation, is_deleting, uid, version},
    role::{Cue, Role},
};
use serde_json::Value;

/// In its last life, the operator has called the handlers of resuming for all objects that were handled before.
pub fn resumed(history: &History) -> Vec<Violation> {
    let Some(life) = history.lives.last() else { return Vec::new() };
    let number = history.lives.len() - 1;
    let mut violations = Vec::new();
    for object in history.objects.iter().filter(|object| !is_deleting(object)) {
        let uid = uid(object);
        let before = history.states_of(uid).rev().find(|(version, _)| *version <= life.begun.revision);
        // With records of an earlier life, its handling goes on.
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

/// Handlers of raw events have seen the last version of each object, unless that is what they have written, or what the
/// operator has kept of that.
pub fn heard(history: &History) -> Vec<Violation> {
    let spies: Vec<_> = history.world.roles.iter().filter(|role| role.is_spy()).collect();
    let writes = spies.iter().any(|role| role.script.act(0).leaves_something());
    let mut violations = Vec::new();
    for object in &history.objects {
        let uid = uid(object);
        let last = history.effects_on(uid).next_back();
        if last.is_some_and(|(ours, effect)| ours && writes && !history.keeps(effect)) {
            continue;
        }
        for role in spies.iter().filter(|role| role.marked(object)) {
            let heard = history.calls_for(uid).rfind(|call| call.id == role.id);
            let heard = heard.map_or(0, |call| version(call.body.value()));
            let mut since = history.effects_on(uid).filter(|(_, effect)| effect.revision > heard);
            let kept = is_kept_of_own(history, uid) && since.all(|(ours, _)| ours);
            if heard != version(object) && !(writes && kept) {
                let text = format!("{} has seen {heard} of {uid} last, not {}", role.id, version(object));
                violations.push(Violation(text));
            }
        }
    }
    violations
}

/// Whether the last that was done to an object is that the operator has kept something on it, behind a write of its handlers.
fn is_kept_of_own(history: &History, uid: &str) -> bool {
    let mut effects = history.effects_on(uid).rev();
    effects.find(|(ours, effect)| !ours || !history.keeps(effect)).is_some_and(|(ours, _)| ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        script::Ending::{Interrupted, Succeeded},
    };
    use korf::Reason::Resume;

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
    fn handlers_of_raw_events_have_seen_the_last_version() {
        let told = || Telling::of([role("e", Cue::Event)]).hear("e");
        assert_eq!(heard(&told().history()), []);
        assert_eq!(heard(&told().user(x(2)).history()).len(), 1);
        assert_eq!(heard(&told().user(x(2)).hear("e").history()), []);
    }
}
