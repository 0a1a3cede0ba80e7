//! States that handlers see: real ones, up to date, and each of them once.

use crate::{
    history::{History, Violation, version},
    record::Called,
    role::Cue,
    script::Ending,
};
use korf::Reason;
use serde_json::Value;

/// A change handler sees a state that the object really had, none older than the operator's own last write, and none that
/// it is done with in this life of the operator.
pub fn seen(history: &History) -> Vec<Violation> {
    let calls = history.calls.iter().filter(|call| call.event.is_none());
    let wrong = calls.filter_map(|call| {
        let why =
            strange(history, call).or_else(|| outdated(history, call)).or_else(|| again(history, call))?;
        Some(Violation(format!("{} of {}: {why}", call.id, call.body.uid())))
    });
    wrong.collect()
}

fn strange(history: &History, call: &Called) -> Option<String> {
    let shown = version(call.body.value());
    let known = history.states_of(call.body.uid()).any(|(version, _)| version == shown);
    let essence = history.world.essence(call.body.value());
    match known {
        false => Some(format!("there was no version {shown}")),
        true if essence != *call.new => Some(format!("it is shown {}, and it was {essence}", call.new)),
        true => None,
    }
}

fn outdated(history: &History, call: &Called) -> Option<String> {
    let earlier = |effect: &u64| *effect <= call.begun.revision;
    let ours = history.effects_on(call.body.uid()).filter(|(ours, _)| *ours);
    let last = ours.map(|(_, effect)| effect.revision).rfind(earlier)?;
    let shown = version(call.body.value());
    (shown < last).then(|| format!("it is shown version {shown}, and we have written {last}"))
}

fn again(history: &History, call: &Called) -> Option<String> {
    let is_before = |other: &&Called| other.begun.turn < call.begun.turn && other.id == call.id;
    let before = history.calls_for(call.body.uid()).rfind(is_before)?;
    let done = history.role_above(call)?.is_done_after(before.attempt, before.ending) == Some(true)
        && before.ending != Ending::Unreadable;
    // Failed deletions are tried again.
    let once = call.reason != Some(Reason::Delete) || before.ending == Ending::Succeeded;
    // Changes since the first handler was done are handled once more, from another diff-base.
    let base = |call: &Called| history.base(call.body.value());
    let same = (before.reason, before.life, &before.new, base(before))
        == (call.reason, call.life, &call.new, base(call));
    let again = done && once && same && !is_later(history, before) && !changed_between(history, before, call);
    // Each trigger is a call.
    let triggered = call.reason == Some(Reason::Triggered) && history.has_rung(call.life, 0..call.begun.turn);
    let reason =
        triggered || rejected_between(history, before, call) || is_owed_for_others(history, before, call);
    (again && !reason).then(|| "it was done with this".to_owned())
}

/// Whether a handler that no update calls saw another state before: what it has made of that is for all update handlers to
/// put right, once.
fn is_owed_for_others(history: &History, before: &Called, call: &Called) -> bool {
    let is_for_updates = |call: &Called| {
        history.role_above(call).is_some_and(|role| role.has(Cue::Update) || role.has(Cue::Field))
    };
    let other = |other: &&Called| {
        other.begun.turn < before.begun.turn && !is_for_updates(other) && *other.new != *call.new
    };
    let Some(other) = history.calls_for(call.body.uid()).filter(|call| call.event.is_none()).rfind(other)
    else {
        return false;
    };
    let since = other.begun.turn..before.begun.turn;
    let mut calls = history.calls_for(call.body.uid()).filter(|earlier| earlier.id == call.id);
    !calls.any(|earlier| {
        since.contains(&earlier.begun.turn) && *earlier.new == *call.new && earlier.ending == before.ending
    })
}

/// Whether it saw a later state than the one that becomes the diff-base: what has changed since is handled once more.
fn is_later(history: &History, call: &Called) -> bool {
    let kept = history.world.kept(call.body.value());
    let basis = kept.get("korf-basis").and_then(Value::as_str);
    let basis = basis.and_then(|basis| serde_json::from_str::<Value>(basis).ok());
    basis.is_some_and(|basis| basis["essence"] != *call.new)
}

/// Whether a handler rejected the object in between: then the cycle restarts.
fn rejected_between(history: &History, before: &Called, call: &Called) -> bool {
    let mut calls = history.calls_for(call.body.uid());
    calls.any(|other| {
        other.ending == Ending::Unreadable && (before.begun.turn..call.begun.turn).contains(&other.begun.turn)
    })
}

/// Whether the essence was another one in between.
fn changed_between(history: &History, before: &Called, call: &Called) -> bool {
    let versions = version(before.body.value())..=version(call.body.value());
    let mut states = history.states_of(call.body.uid()).filter(|(version, _)| versions.contains(version));
    states.any(|(_, state)| history.world.essence(state) != *call.new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        script::Ending::{Succeeded, Temporary, Unreadable},
    };
    use Reason::{Resume, Update};
    use serde_json::json;
    use std::sync::Arc;

    fn begun() -> Telling {
        Telling::of([role("u", Cue::Update)]).closed().user(x(2))
    }

    #[test]
    fn a_call_for_what_never_was_is_found() {
        let mut history = begun().call("u", Update, Succeeded).history();
        assert_eq!(seen(&history), []);
        history.calls[0].new = Arc::new(json!({"spec": {"x": 3}}));
        assert_eq!(seen(&history).len(), 1);
    }

    #[test]
    fn a_call_for_what_is_older_than_our_own_write_is_found() {
        let mut history = begun().call("u", Update, Succeeded).closed().history();
        assert_eq!(seen(&history), []);
        history.calls[0].begun.revision += 1;
        assert_eq!(seen(&history).len(), 1);
    }

    #[test]
    fn a_second_call_for_one_change_is_found() {
        let twice = |ending| begun().call("u", Update, ending).call("u", Update, Succeeded);
        assert_eq!(seen(&twice(Succeeded).history()).len(), 1);
        for ending in [Temporary, Unreadable] {
            assert_eq!(seen(&twice(ending).history()), [], "{ending:?}");
        }
        let over_a_death = begun().call("u", Update, Succeeded).restarted().call("u", Update, Succeeded);
        assert_eq!(seen(&over_a_death.history()), []);
        let resumed = |told: Telling| told.call("u", Resume, Succeeded);
        assert_eq!(seen(&resumed(resumed(begun())).history()).len(), 1);
        assert_eq!(seen(&resumed(resumed(begun()).restarted()).history()), []);
        let there_and_back = begun().call("u", Update, Succeeded).user(x(3)).user(x(2));
        assert_eq!(seen(&there_and_back.call("u", Update, Succeeded).history()), []);
    }

    #[test]
    fn update_handlers_may_mend_once_what_a_resume_handler_made_of_another_state() {
        let roles = [role("r", Cue::Resume { deleted: false }), role("u", Cue::Update)];
        let begun = Telling::of(roles).closed().user(x(2)).call("r", Resume, Succeeded).user(x(1));
        let twice = begun.call("u", Update, Succeeded).call("u", Update, Succeeded);
        assert_eq!(seen(&twice.clone().history()), []);
        assert_eq!(seen(&twice.call("u", Update, Succeeded).history()).len(), 1);
    }
}
