//! Handling of an object: cycles, handlers, daemons, and what delays it.

use super::super::{DaemonEvent, HandlerName, Observation};
use crate::families::Kind;
use korf_core::{
    Reason,
    cycle::{Cycle, CycleState, Idle},
    error::Error,
    patch::Finalizer,
    progress::{Counts, UnreadableEntry},
    retry::{Outcome, seconds},
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::Daemon { handler, event } => daemon(handler, event),
        Observation::DaemonEditsDropped { edits, gone: true } => {
            object!(debug, "{edits} change(s) that daemons asked for aren't written: the object is gone.");
        }
        Observation::DaemonEditsDropped { edits, gone: false } => object!(
            warn,
            "{edits} change(s) that daemons asked for are dropped: more of them wait to be written than are kept."
        ),
        Observation::CycleBegins { cycle, kind } => cycle_begins(cycle, kind),
        Observation::UpdateLeftOut { handlers } => object!(
            info,
            "The object begins to match handlers, and no handler has been for it before: that is its creation, for which \
             on_create and on_field handlers are called, but not '{}'.",
            handlers.join("', '")
        ),
        Observation::CycleEnds { reason, state } => cycle_ends(reason, state),
        Observation::Idle(idle) => idles(idle),
        Observation::FinalizerChanges(Finalizer::Add(_)) => {
            object!(debug, "Adding the finalizer, thus preventing the actual deletion.");
        }
        Observation::FinalizerChanges(Finalizer::Remove(_)) => {
            object!(debug, "Removing the finalizer, as there are no handlers requiring it.");
        }
        Observation::Unreadable(entries) => unreadable(entries),
        Observation::HandlerBegins { handler: HandlerName { family, id }, epoch } => {
            object!(debug, epoch, "{family} '{id}' is invoked.");
        }
        // The log tells of the outage, and not of all that it causes.
        Observation::HandlerEnded { handler: HandlerName { family, id }, words, outage: Some(_), .. } => {
            object!(debug, "{family} '{id}' {words}");
        }
        Observation::HandlerEnded {
            handler: HandlerName { family, id },
            outcome: Outcome::Waiting { after, message },
            known,
            ..
        } => {
            let after = seconds(*after);
            if known {
                object!(
                    debug,
                    "{family} '{id}' still waits, and is called again in {after} seconds: {message}"
                );
            } else {
                object!(info, "{family} '{id}' waits, and is called again in {after} seconds: {message}");
            }
        }
        Observation::HandlerEnded { handler, outcome, words, .. } => handler_ended(handler, outcome, words),
        Observation::TurnLost { .. } => object!(
            warn,
            "The lease is over under which the object was handled: its handlers are dropped, and nothing of this turn is \
             stored any more."
        ),
        Observation::Indexed { id } => object!(debug, "Indexer '{id}' succeeded."),
        Observation::IndexFailed { id, error, kept } => index_failed(id, error, kept),
        Observation::Sleeping { due } => {
            object!(debug, "Sleeping for {} seconds for the delayed handlers.", seconds(due));
        }
        Observation::SleepInterrupted { unslept } => {
            object!(debug, "Sleeping was interrupted by new changes, {} seconds left.", seconds(unslept));
        }
        Observation::Copied => object!(
            warn,
            "The object was created with what the operator has stored on another one: a copy, or a backup. That is removed, and \
             the object is handled as a new one."
        ),
        Observation::Stripped { strips, again } => stripped(strips, again),
        Observation::Throttled { delay, why } => {
            object!(error, "Throttling for {} seconds due to an unexpected error: {why}", seconds(delay));
        }
        Observation::ThrottlingEnded => {
            object!(info, "Throttling is over. Switching back to normal operations.");
        }
        _ => {}
    }
}

fn cycle_begins(cycle: &Cycle, kind: &Kind) {
    let title = cycle.reason.title();
    if let Some((reason, counts)) = &cycle.superseded {
        let Counts { succeeded, failed, running } = counts;
        object!(
            info,
            "{} is superseded by {}: {succeeded} succeeded; {failed} failed; {running} left to the moment.",
            reason.title(),
            title.to_lowercase()
        );
    }
    // Kopf shows the body of Secrets, too.
    let secret = kind.resource.group.is_empty() && kind.resource.kind == "Secret";
    if secret {
        object!(debug, "{title} is in progress.");
    } else {
        object!(debug, "{title} is in progress: {}", cycle.new);
    }
    if cycle.old.is_some() && !cycle.diff.is_empty() && !secret {
        object!(debug, "{title} diff: {}", cycle.diff);
    }
}

fn cycle_ends(reason: Reason, state: &CycleState) {
    let title = reason.title();
    match state {
        CycleState::Open(_) | CycleState::Skipped | CycleState::Restart => {}
        CycleState::Processed(Counts { succeeded, failed, .. })
        | CycleState::Rejected(Counts { succeeded, failed, .. }) => {
            object!(info, "{title} is processed: {succeeded} succeeded; {failed} failed.");
        }
        CycleState::Held(Counts { succeeded, failed, .. }) => object!(
            error,
            "{title} is held: {succeeded} succeeded; {failed} failed. The object is kept until it is changed or the operator \
             is restarted; then its delete handlers are retried."
        ),
        CycleState::Released => object!(
            warn,
            "{title} handlers can't read the object, but no handler has ever done anything for it. It is released."
        ),
    }
    if reason == Reason::Delete && matches!(state, CycleState::Processed(_) | CycleState::Released) {
        object!(debug, "Removing the finalizer, thus allowing the actual deletion.");
    }
}

/// Twice in a row may be chance.
fn stripped(strips: usize, again: Duration) {
    let again = seconds(again);
    if strips == 3 {
        object!(
            warn,
            "Something removes what the operator stores on the object, whenever it sees it: to the operator it is new each time. \
             Its handlers are called again in {again} seconds, and then ever more seldom. Keep that controller from these \
             annotations, or store progress in the status (`Operator::status_storage`)."
        );
    } else {
        object!(
            debug,
            "What the operator stores on the object was removed {strips} times; it is handled in {again} seconds."
        );
    }
}

fn idles(idle: Idle) {
    let words = match idle {
        Idle::Stealth => return,
        Idle::Gone => "Deleted, really deleted, and we are notified.",
        Idle::Free => "Deletion, but we are done with it, and we do not care.",
        Idle::Noop => "Something has changed, but we are not interested (the essence is the same).",
        Idle::Rejected => "Handlers could not read the object, and it has not changed in what they read.",
        Idle::Held => "Deletion has failed, and the object has not changed since.",
        Idle::Awaiting => "Deletion waits for daemons to end.",
    };
    object!(debug, "{words}");
    // Kopf writes this line where it has neither written anything nor has to wait.
    if idle != Idle::Gone {
        object!(debug, "Handling cycle is finished, waiting for new changes.");
    }
}

fn unreadable(entries: &[UnreadableEntry]) {
    for entry in entries {
        object!(warn, "An entry that is stored on the object can't be read, and counts as absent: {entry}");
    }
}

fn handler_ended(handler: HandlerName<'_>, outcome: &Outcome, words: &str) {
    let HandlerName { family, id } = handler;
    match outcome {
        Outcome::Success => object!(info, "{family} '{id}' succeeded."),
        Outcome::Children { .. } => {
            object!(debug, "{family} '{id}' has unfinished sub-handlers. Will retry soon.");
        }
        _ => object!(error, "{family} '{id}' {words}"),
    }
}

fn daemon(handler: HandlerName<'_>, event: DaemonEvent) {
    let HandlerName { family, id } = handler;
    match event {
        DaemonEvent::Signalled => object!(debug, "{family} '{id}' is signalled to exit gracefully."),
        DaemonEvent::Forced => object!(debug, "{family} '{id}' is signalled to exit by force."),
        // A warning in Kopf: here it is the usual end of one that doesn't take `Stopped`.
        DaemonEvent::Cancelled => object!(debug, "{family} '{id}' is cancelled."),
        DaemonEvent::Abandoned => object!(warn, "{family} '{id}' did not exit in time. Leaving it orphaned."),
        DaemonEvent::ExitedOnRequest => {
            object!(debug, "{family} '{id}' has exited on request and will not be retried or restarted.");
        }
        DaemonEvent::ExitedOnItsOwn => {
            object!(debug, "{family} '{id}' has exited on its own and will not be retried or restarted.");
        }
    }
}

fn index_failed(id: &str, error: &Error, kept: bool) {
    let how = match error {
        Error::Permanent(_) => "permanently (the object has no entries until it changes)",
        Error::Temporary { .. } | Error::Waiting { .. } => {
            "temporarily (the object has no entries until it changes)"
        }
        _ if kept => "with an exception and will ignore it (the object's entries stay as they are)",
        _ => "with an exception (the object has no entries until it changes)",
    };
    object!(error, "Indexer '{id}' failed {how}: {error}");
}
