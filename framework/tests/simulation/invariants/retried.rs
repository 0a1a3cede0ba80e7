//! Retries: counted on over restarts, not before they are due, and within a handler's limit.

use crate::{
    history::{History, Violation, version},
    record::Called,
    role::Role,
    script::{Ending, Finale},
};
use korf::Reason;
use std::time::Duration;

/// Records keep microseconds.
const ROUNDED: Duration = Duration::from_millis(1);

/// While a change is unhandled, each attempt of a handler is the next one after the last recorded attempt.
pub fn in_order(history: &History) -> Vec<Violation> {
    let calls = history.calls.iter().filter(|call| call.event.is_none());
    let wrong = calls.filter_map(|call| {
        let role = history.role(call)?;
        let why = exceeds(role, call).or_else(|| {
            let before = unfinished(history, role, call)?;
            miscounts(before, call).or_else(|| hurries(history, role, before, call))
        })?;
        Some(Violation(format!("attempt {} of {} at {}: {why}", call.attempt, call.id, call.body.uid())))
    });
    wrong.collect()
}

fn exceeds(role: &Role, call: &Called) -> Option<String> {
    let most = role.limits.retries.filter(|most| call.attempt >= *most)?;
    Some(format!("it may have {most}"))
}

/// The attempt before, if it was recorded, left the handler unfinished, and the cycle goes on.
fn unfinished<'a>(history: &'a History, role: &Role, call: &'a Called) -> Option<&'a Called> {
    let uid = call.body.uid();
    let is_before = |other: &&Called| other.begun.turn < call.begun.turn && other.id == call.id;
    let before = history.calls_for(uid).rfind(is_before)?;
    let retried = before.ending != Ending::Interrupted
        && role.is_done_after(before.attempt, before.ending) == Some(false);
    let base = |call: &Called| history.base(call.body.value());
    let same = before.reason == call.reason && is_base_of_all(history, before, call);
    // After a handler has rejected the object, the cycle may restart.
    let mut calls = history.calls_for(uid).take_while(|other| other.begun.turn < call.begun.turn);
    let accepted = !calls.any(|other| other.ending == Ending::Unreadable && base(other) == base(call));
    let goes_on = same && accepted && !is_superseded(history, before, call);
    (retried && goes_on && history.is_recorded(before)).then_some(before)
}

/// Whether a change has ended a cycle that no change has begun. It begins once more when the change was taken back.
fn is_superseded(history: &History, before: &Called, call: &Called) -> bool {
    let between = before.begun.turn..call.begun.turn;
    let mut others = history.calls_for(call.body.uid()).filter(|other| between.contains(&other.begun.turn));
    let no_change = [Some(Reason::Resume), Some(Reason::Resync), Some(Reason::Triggered)];
    no_change.contains(&call.reason) && others.any(|other| other.reason == Some(Reason::Update))
}

/// Whether all states from one call to another have the same diff-base. Another one in between is a cycle of its own, though
/// it may have led back.
fn is_base_of_all(history: &History, before: &Called, call: &Called) -> bool {
    let base = history.base(call.body.value());
    let versions = version(before.body.value())..=version(call.body.value());
    let mut states = history.states_of(call.body.uid()).filter(|(version, _)| versions.contains(version));
    base == history.base(before.body.value()) && states.all(|(_, state)| history.base(state) == base)
}

fn miscounts(before: &Called, call: &Called) -> Option<String> {
    if call.attempt != before.attempt + 1 {
        return Some(format!("the one before was {}", before.attempt));
    }
    let apart = call.started.duration_since(before.started).unsigned_abs();
    (apart > ROUNDED)
        .then(|| format!("the first one is said to be of {}, not {}", call.started, before.started))
}

/// Whether an attempt comes before it is due though nothing has changed.
fn hurries(history: &History, role: &Role, before: &Called, call: &Called) -> Option<String> {
    let Finale::Temporary(delay) = role.script.act(before.attempt).finale else { return None };
    // A trigger calls those that wait; one that comes in a long turn does so after it.
    let triggered = history.has_rung(call.life, 0..call.begun.turn);
    if before.ending != Ending::Temporary || role.parts || triggered {
        return None;
    }
    let due = before.at + before.took + delay;
    let versions = version(before.body.value())..=version(call.body.value());
    let mut states = history.states_of(call.body.uid()).filter(|(version, _)| versions.contains(version));
    let alike = states.all(|(_, state)| history.world.essence(state) == *before.new);
    (alike && call.at + ROUNDED < due).then(|| format!("it comes at {}, and is due at {due}", call.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        role::Cue,
        script::{
            Act, Addition,
            Ending::{Arbitrary, Temporary},
            Script,
        },
    };
    use korf::Reason::Update;

    /// A handler that has failed for the first time.
    fn failed(seconds: u64, ending: Ending) -> Telling {
        let finale = Finale::Temporary(Duration::from_secs(seconds));
        let mut retried = role("u", Cue::Update);
        retried.limits.retries = Some(2);
        retried.script = Script(vec![Act { pauses: Vec::new(), addition: Addition::Nothing, finale }]);
        Telling::of([retried]).closed().user(x(2)).call("u", Update, ending).kept("u", "tried")
    }

    fn wrong(told: Telling, attempt: u32, later: Duration) -> usize {
        let mut history = told.call("u", Update, Arbitrary).history();
        let started = history.calls[0].started;
        if let Some(call) = history.calls.last_mut() {
            (call.attempt, call.started) = (attempt, started);
            call.at += later;
        }
        in_order(&history).len()
    }

    #[test]
    fn attempts_count_on() {
        let told = || failed(0, Arbitrary);
        let attempts = [0, 1, 2].map(|attempt| wrong(told(), attempt, Duration::ZERO));
        assert_eq!(attempts, [1, 0, 1]);
        assert_eq!(wrong(told().restarted(), 0, Duration::ZERO), 1);
        assert_eq!(wrong(told().closed().user(x(3)), 0, Duration::ZERO), 0, "another change");
        let and_back = told().closed().user(x(1)).closed().user(x(2));
        assert_eq!(wrong(and_back, 0, Duration::ZERO), 0, "another change, and the same again");
    }

    #[test]
    fn a_resumption_that_a_change_has_ended_begins_once_more() {
        let told = |between: fn(Telling) -> Telling| {
            let mut history = between(failed(0, Arbitrary)).call("u", Update, Arbitrary).history();
            for call in history.calls.iter_mut().filter(|call| call.id == "u") {
                call.reason = Some(Reason::Triggered);
            }
            in_order(&history).len()
        };
        assert_eq!(told(|telling| telling), 1);
        assert_eq!(told(|telling| telling.call("other", Update, Arbitrary)), 0);
    }

    #[test]
    fn an_attempt_that_was_not_recorded_is_made_again() {
        let mut history = failed(0, Arbitrary).history();
        history.calls[0].ended.revision += 1;
        let again = history.calls[0].clone();
        history.calls.push(Called { begun: history.quiet, ended: history.quiet, ..again });
        assert_eq!(in_order(&history), []);
    }

    #[test]
    fn the_first_attempt_stays_when_it_was() {
        let mut history = failed(0, Arbitrary).call("u", Update, Arbitrary).history();
        history.calls[1].attempt = 1;
        assert_eq!(in_order(&history).len(), 1);
    }

    #[test]
    fn no_retry_is_early_unless_something_has_changed() {
        let told = || failed(60, Temporary);
        assert_eq!(wrong(told(), 1, Duration::from_secs(60)), 0);
        assert_eq!(wrong(told(), 1, Duration::ZERO), 1);
        assert_eq!(wrong(told().user(x(3)), 1, Duration::ZERO), 0);
    }
}
