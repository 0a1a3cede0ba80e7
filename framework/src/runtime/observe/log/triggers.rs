//! Triggers that have no effect, wait, or come too often.

use super::super::Observation;
use korf_core::retry::seconds;
use tracing::{error, info, warn};

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::MappingFailed { id, why } => {
            object!(
                error,
                "Mapper '{id}' failed: {why}. Only what it has returned for the object before gets a turn."
            )
        }
        Observation::TriggerInVain { by, kind, namespace, name } => {
            let name = full_name(namespace, name);
            engine!(info, "Handler '{by}' triggers {name} of {kind}, which isn't there: that has no effect.");
        }
        Observation::TriggerForNobody { by, kind } => engine!(
            warn,
            "Handler '{by}' triggers objects of {kind}, for which this operator has no handlers: that has no effect. Give it an \
             on_resume handler for them."
        ),
        Observation::TriggerStrays { by, kind, namespace, name } => {
            let such =
                name.map(|name| format!(", such as {}", full_name(namespace, name))).unwrap_or_default();
            engine!(
                warn,
                "Handler '{by}' triggers objects of {kind} that this replica doesn't hold{such}: a handler's trigger has no effect \
                 on those of other replicas. Triggers that follow from the change of an object reach all: give them by a function \
                 for `watches`. Or let the handler change the objects, which all replicas see."
            );
        }
        Observation::TriggersWait { kind, namespace, name } => {
            let name = full_name(namespace, name);
            engine!(info, "Triggers for objects of {kind}, such as {name}, wait until the kind is listed.");
        }
        Observation::TriggeredTooOften { by, turns, window, delay } => object!(
            warn,
            "Triggers have given the object more than {turns} turns within {} seconds, the last one by handler '{by}'. The \
             next one comes after {} seconds, and those after it ever later. Handlers that trigger each other, or \
             themselves, never come to an end: '{by}' should trigger only what needs it, after a change.",
            seconds(window),
            seconds(delay)
        ),
        _ => {}
    }
}

/// `<namespace>/<name>`; without the first part where there is no namespace.
fn full_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.into(), |namespace| format!("{namespace}/{name}"))
}
