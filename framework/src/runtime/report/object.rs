//! The lines on objects.

use crate::{
    core::{
        Reason,
        cycle::{Cycle, End, Rest},
        patch::Finalizer,
        progress::{Counts, Unreadable},
        retry::seconds,
    },
    handler::Kind,
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

macro_rules! object {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::objects", $($words)+) };
}

pub fn finalizer(change: &Finalizer) {
    match change {
        Finalizer::Add(_) => object!(debug, "Adding the finalizer, thus preventing the actual deletion."),
        Finalizer::Remove(_) => {
            object!(debug, "Removing the finalizer, as there are no handlers requiring it.");
        }
    }
}

pub fn begun(cycle: &Cycle, kind: &Kind) {
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
    // Kopf shows the body of Secrets too.
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

pub fn unreadable(faults: &[Unreadable]) {
    for fault in faults {
        object!(warn, "What is stored on the object can't be read, and counts as absent: {fault}");
    }
}

pub fn invoked(id: &str) {
    object!(debug, "Handler '{id}' is invoked.");
}

pub fn succeeded(id: &str) {
    object!(info, "Handler '{id}' succeeded.");
}

pub fn unfinished(id: &str) {
    object!(debug, "Handler '{id}' has unfinished sub-handlers. Will retry soon.");
}

pub fn failed(id: &str, words: &str) {
    object!(error, "Handler '{id}' {words}");
}

pub fn ended(reason: Reason, end: &End) {
    let title = reason.title();
    match end {
        End::Open(_) | End::Skipped | End::Restart => {}
        End::Processed(Counts { succeeded, failed, .. }) | End::Refused(Counts { succeeded, failed, .. }) => {
            object!(info, "{title} is processed: {succeeded} succeeded; {failed} failed.");
        }
        End::Held(Counts { succeeded, failed, .. }) => object!(
            error,
            "{title} is held: {succeeded} succeeded; {failed} failed. The object is kept until it is changed or the \
             operator is restarted; then its deletion handlers are tried again."
        ),
        End::Released => object!(
            warn,
            "{title} handlers can't read the object, but no handler has ever done anything for it. It is let go."
        ),
    }
    if reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released) {
        object!(debug, "Removing the finalizer, thus allowing the actual deletion.");
    }
}

pub fn rest(rest: Rest) {
    let words = match rest {
        Rest::Stealth => return,
        Rest::Gone => "Deleted, really deleted, and we are notified.",
        Rest::Free => "Deletion, but we are done with it, and we do not care.",
        Rest::Noop => "Something has changed, but we are not interested (the essence is the same).",
        Rest::Refused => "Handlers could not read the object, and it has not changed in what they read.",
        Rest::Held => "Deletion has failed, and the object has not changed since.",
    };
    object!(debug, "{words}");
    // Kopf says so where it has neither written anything nor has to wait.
    if rest != Rest::Gone {
        object!(debug, "Handling cycle is finished, waiting for new changes.");
    }
}

pub fn sleeping(due: Duration) {
    object!(debug, "Sleeping for {} seconds for the delayed handlers.", seconds(due));
}

pub fn sleeping_interrupted(unslept: Duration) {
    object!(debug, "Sleeping was interrupted by new changes, {} seconds left.", seconds(unslept));
}

pub fn inconsistencies(fields: &[String]) {
    if !fields.is_empty() {
        object!(
            warn,
            "Merge-patching finished with inconsistencies: the API server did not keep {}. A schema without these \
             fields drops them.",
            fields.join(", ")
        );
    }
}

pub fn write_failed(why: &str, again: Duration) {
    object!(warn, "The object can't be patched: {why}. It is tried again in {} seconds.", seconds(again));
}

pub fn read_failed(why: &str, again: Duration) {
    object!(warn, "The object can't be read: {why}. It is tried again in {} seconds.", seconds(again));
}

pub fn status_refused(why: &str) {
    object!(error, "The API server refuses the status, so it is not written: {why}");
}

pub fn essence_is_compressed() {
    object!(debug, "The object is large: what was handled last is kept compressed.");
}

pub fn essence_is_a_digest() {
    object!(
        warn,
        "The object is too large for its annotations: of what was handled last, only a digest is kept. Changes are \
         noticed, but handlers can't be told what the object was before."
    );
}

pub fn given_up(why: &str, again: Duration) {
    object!(
        error,
        "The API server refuses what is to be kept on the object: {why}. The object is left alone until it changes, or for \
         {} seconds; then what its handlers came to is stored, and they aren't called again for it.",
        seconds(again)
    );
}

pub fn put_off(why: &str, again: Duration) {
    object!(
        error,
        "What is to be kept on the object can't be stored: {why}. The object is left alone until it changes, or for {} \
         seconds, again and again; then what its handlers came to is stored, and they aren't called again for it.",
        seconds(again)
    );
}

pub fn right_is_missing(why: &str, again: Duration) {
    object!(
        error,
        "The operator lacks a right that it needs: {why}. The object is left alone until it changes, or for {} seconds; \
         then what its handlers came to is stored, and they aren't called again for it.",
        seconds(again)
    );
}

pub fn additions_refused(why: &str) {
    object!(error, "The API server refuses what handlers add to the object, so it is not written: {why}");
}

pub fn addition_left_out(why: &str) {
    object!(error, "Not all that handlers ask for is written: {why}.");
}

pub fn throttling(delay: Duration, why: &str) {
    object!(error, "Throttling for {} seconds due to an unexpected error: {why}", seconds(delay));
}

pub fn throttling_is_over() {
    object!(info, "Throttling is over. Switching back to normal operations.");
}
