//! Activities: handlers of the operator itself.

use super::super::Observation;
use crate::families::ActivityKind;
use korf_core::retry::{Outcome, seconds};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// A line of an activity, in the name of its kind's logger.
macro_rules! activity {
    ($kind:expr, $level:ident, $($words:tt)+) => {
        match $kind {
            ActivityKind::Startup => $level!(target: "korf::activities::startup", $($words)+),
            ActivityKind::Cleanup => $level!(target: "korf::activities::cleanup", $($words)+),
            ActivityKind::Login => $level!(target: "korf::activities::authentication", $($words)+),
            ActivityKind::Probe => $level!(target: "korf::activities::probe", $($words)+),
        }
    };
}

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::ActivityBegins { activity, id } => {
            activity!(activity, debug, "Activity '{id}' is invoked.");
        }
        Observation::ActivityRuns { activity, id, after } => activity_runs(activity, id, after),
        Observation::ActivityEnded { activity, id, outcome, known, words, .. } => {
            activity_ended(activity, id, outcome, known, words);
        }
        Observation::StartupInterrupted => {
            engine!(warn, "Startup activity is only partially executed due to cancellation.");
        }
        Observation::CleanupAbandoned { ids } => engine!(
            warn,
            "Clean-up handler(s) did not finish within the time that the operator has to stop, and are cancelled: {}.",
            ids.join(", ")
        ),
        Observation::ProbeFails { id, why } => {
            activity!(ActivityKind::Probe, warn, "Activity '{id}' fails: {why}");
        }
        Observation::ProbeRecovers { id } => {
            activity!(ActivityKind::Probe, info, "Activity '{id}' succeeds again.");
        }
        _ => {}
    }
}

fn activity_runs(activity: ActivityKind, id: &str, after: Duration) {
    let waits = match activity {
        ActivityKind::Startup => "The operator waits for it, and watches nothing before it has succeeded.",
        ActivityKind::Login => "The operator waits for it.",
        ActivityKind::Cleanup | ActivityKind::Probe => return,
    };
    // A count of milliseconds would look exact.
    activity!(activity, info, "Activity '{id}' has run for {} seconds. {waits}", after.as_secs());
}

fn activity_ended(activity: ActivityKind, id: &str, outcome: &Outcome, known: bool, words: &str) {
    let is_final = matches!(outcome, Outcome::Failed { .. } | Outcome::Rejected { .. });
    match (activity, outcome) {
        // Somebody asks every few seconds, and one that begins to fail has a line of its own.
        (ActivityKind::Probe, Outcome::Success) => activity!(activity, debug, "Activity '{id}' succeeded."),
        (ActivityKind::Probe, _) => activity!(activity, debug, "Activity '{id}' {words}"),
        (_, Outcome::Success) => activity!(activity, info, "Activity '{id}' succeeded."),
        (_, Outcome::Waiting { after, message }) if known => {
            let after = seconds(*after);
            activity!(
                activity,
                debug,
                "Activity '{id}' still waits, and is called again in {after} seconds: {message}"
            );
        }
        (_, Outcome::Waiting { after, message }) => {
            let after = seconds(*after);
            activity!(
                activity,
                info,
                "Activity '{id}' waits, and is called again in {after} seconds: {message}"
            );
        }
        // The operator ends with this line.
        (ActivityKind::Startup, _) if is_final => activity!(activity, debug, "Activity '{id}' {words}"),
        _ => activity!(activity, error, "Activity '{id}' {words}"),
    }
}
