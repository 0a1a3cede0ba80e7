//! Writes and reads of an object.

use super::super::{Observation, PostponeCause};
use korf_core::retry::seconds;
use std::time::Duration;
use tracing::{debug, error, warn};

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::Inconsistent { fields } => object!(
            warn,
            "Merge-patching finished with inconsistencies: the API server did not keep {}. A schema without these fields \
             drops them.",
            fields.join(", ")
        ),
        Observation::WriteFailed { why, again } => {
            object!(warn, "The object can't be patched: {why}. It is retried in {} seconds.", seconds(again));
        }
        Observation::ReadFailed { why, again } => {
            object!(warn, "The object can't be read: {why}. It is retried in {} seconds.", seconds(again));
        }
        Observation::WritePostponed { cause, why, again } => write_postponed(cause, why, again),
        Observation::EditsRejected { status: true, why } => {
            object!(error, "The API server rejects the status, so it is not written: {why}");
        }
        Observation::EditsRejected { status: false, why } => {
            object!(
                error,
                "The API server rejects what handlers add to the object, so it is not written: {why}"
            );
        }
        Observation::EditLeftOut { why } => {
            object!(error, "Some changes by handlers aren't written: {why}.")
        }
        Observation::EditOutdated => {
            object!(
                debug,
                "The object has changed since event handlers saw it; they are called for the newer state."
            );
        }
        Observation::DiffBaseCompressed => {
            object!(debug, "The object is large: its diff-base is stored compressed.");
        }
        Observation::DiffBaseDigested => object!(
            warn,
            "The object is too large for its annotations: only a digest of its diff-base is stored. Changes are noticed, but \
             handlers can't see what the object was before."
        ),
        _ => {}
    }
}

fn write_postponed(cause: PostponeCause, why: &str, again: Duration) {
    let again = seconds(again);
    match cause {
        PostponeCause::Failed => object!(
            error,
            "The object's progress can't be stored: {why}. The object is left alone until it changes, or for {again} \
             seconds at a time; its handlers aren't called again for what they have done."
        ),
        PostponeCause::Rejected => object!(
            error,
            "The API server rejects the object's progress: {why}. The object is left alone until it changes, or for {again} \
             seconds; its handlers aren't called again for what they have done."
        ),
        PostponeCause::Unreleased => object!(
            error,
            "The API server rejects the removal of the finalizer, so the object stays: {why}. It is tried again when the object \
             changes, and every {again} seconds. Correct the field that the message names, or the schema or webhook that \
             forbids it."
        ),
        PostponeCause::Forbidden => object!(
            error,
            "The operator lacks a permission that it needs: {why}. The object is left alone until it changes, or for {again} \
             seconds; its handlers aren't called again for what they have done."
        ),
    }
}
