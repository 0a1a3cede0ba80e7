//! Transitions of handlers, told by Kubernetes Events about their object.

use super::kind::KindContext;
use crate::event_queue::{EventRequest, Severity, is_event};
use k8s_openapi::api::core::v1::ObjectReference;
use korf_core::{
    retry::{Attempt, Outcome},
    transition::{Transition, TransitionTimes, Transitions, Trouble},
};
use std::time::{Duration, Instant};

/// An attempt of a handler at an object, and its outcome.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    pub id: &'a str,
    pub attempt: Attempt,
    pub outcome: &'a Outcome,
    /// The object is kept where it has failed permanently.
    pub holds: bool,
}

impl KindContext {
    /// Takes in the outcome of an attempt, and posts an event where it is a transition.
    pub(super) fn note_ended(
        &self,
        transitions: &mut Transitions,
        ended: Ended<'_>,
        now: Instant,
        regarding: impl FnOnce() -> ObjectReference,
    ) {
        let posting = &self.operator.settings.posting;
        if !posting.transitions {
            return;
        }
        let times = TransitionTimes { patience: posting.patience, pause: posting.pause };
        if let Some(transition) = transitions.note(ended.id, ended.outcome, ended.attempt, times, now) {
            self.post(transition, ended, regarding());
        }
    }

    /// Posts that a handler has failed permanently which isn't called again.
    pub(super) fn tell_failed(
        &self,
        id: &str,
        outcome: &Outcome,
        regarding: impl FnOnce() -> ObjectReference,
    ) {
        if self.operator.settings.posting.transitions {
            let attempt = Attempt { before: 0, elapsed: Duration::ZERO };
            let ended = Ended { id, attempt, outcome, holds: false };
            self.post(Transition::Begins(Trouble::Failed), ended, regarding());
        }
    }

    fn post(&self, transition: Transition, ended: Ended<'_>, regarding: ObjectReference) {
        if !is_event(&regarding) {
            self.operator.events.push(self.event(transition, ended, regarding));
        }
    }

    /// Forgets what is over for long.
    pub(super) fn forget_transitions(&self, transitions: &mut Transitions, now: Instant) {
        transitions.forget_old(self.operator.settings.posting.pause, now);
    }

    fn event(&self, transition: Transition, ended: Ended<'_>, regarding: ObjectReference) -> EventRequest {
        let (severity, reason) = match transition {
            Transition::Begins(Trouble::Failed) if ended.holds => (Severity::Warning, "DeletionHeld"),
            Transition::Begins(Trouble::Failed) => (Severity::Warning, "HandlerFailed"),
            Transition::Begins(Trouble::Rejected) => (Severity::Warning, "ObjectRejected"),
            Transition::Begins(Trouble::Retried) => (Severity::Warning, "HandlerRetried"),
            Transition::Ends => (Severity::Normal, "HandlerRecovered"),
        };
        EventRequest {
            regarding,
            severity,
            reason: reason.to_owned(),
            message: message(transition, ended, self.is_secret()),
            handler: ended.id.to_owned(),
        }
    }

    /// Whether more people may read events about its objects than the objects.
    fn is_secret(&self) -> bool {
        self.kind.resource.group.is_empty() && self.kind.resource.kind == "Secret"
    }
}

fn message(transition: Transition, ended: Ended<'_>, secret: bool) -> String {
    let handler = format!("Handler '{}'", ended.id);
    let error = match ended.outcome {
        _ if secret => "the operator's log says why",
        Outcome::Failed { message } | Outcome::Rejected { message } | Outcome::Retry { message, .. } => {
            message
        }
        Outcome::Success | Outcome::Ignored | Outcome::Waiting { .. } | Outcome::Children { .. } => "",
    };
    match transition {
        // One that has reached a limit has the whole sentence.
        Transition::Begins(Trouble::Failed) if error.starts_with(&handler) => {
            format!("{error}{}", end(ended))
        }
        Transition::Begins(Trouble::Failed) => format!("{handler} failed permanently: {error}{}", end(ended)),
        Transition::Begins(Trouble::Rejected) => format!("{handler} can't read the object: {error}"),
        Transition::Begins(Trouble::Retried) => {
            let Attempt { before, elapsed } = ended.attempt;
            format!(
                "{handler} hasn't succeeded for {}, in {} attempts: {error}",
                long(elapsed),
                before.saturating_add(1)
            )
        }
        Transition::Ends => format!("{handler} has succeeded."),
    }
}

fn end(ended: Ended<'_>) -> &'static str {
    if ended.holds { " (the object is kept until it is changed or the operator is restarted)" } else { "" }
}

fn long(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_told_in_a_sentence_and_that_of_a_secret_without_the_error() {
        let message_of = |text: &str| text.to_owned();
        let retry = Outcome::Retry { after: Duration::ZERO, message: message_of("no route") };
        let failed = Outcome::Failed { message: message_of("no route") };
        let limited = Outcome::Failed { message: message_of("Handler 'h' has exceeded 3 retries.") };
        let rejected = Outcome::Rejected { message: message_of("missing field `a`") };
        let begins = Transition::Begins;
        for (transition, outcome, holds, secret, expected) in [
            (begins(Trouble::Failed), &failed, false, false, "Handler 'h' failed permanently: no route"),
            (
                begins(Trouble::Failed),
                &failed,
                false,
                true,
                "Handler 'h' failed permanently: the operator's log says why",
            ),
            (begins(Trouble::Failed), &limited, false, false, "Handler 'h' has exceeded 3 retries."),
            (
                begins(Trouble::Failed),
                &limited,
                false,
                true,
                "Handler 'h' failed permanently: the operator's log says why",
            ),
            (
                begins(Trouble::Failed),
                &failed,
                true,
                false,
                "Handler 'h' failed permanently: no route (the object is kept until it is changed or the operator is restarted)",
            ),
            (
                begins(Trouble::Rejected),
                &rejected,
                false,
                false,
                "Handler 'h' can't read the object: missing field `a`",
            ),
            (
                begins(Trouble::Retried),
                &retry,
                false,
                false,
                "Handler 'h' hasn't succeeded for 7 minutes, in 5 attempts: no route",
            ),
            (Transition::Ends, &Outcome::Success, false, false, "Handler 'h' has succeeded."),
        ] {
            let attempt = Attempt { before: 4, elapsed: Duration::from_secs(430) };
            let ended = Ended { id: "h", attempt, outcome, holds };
            assert_eq!(message(transition, ended, secret), expected);
        }
    }
}
