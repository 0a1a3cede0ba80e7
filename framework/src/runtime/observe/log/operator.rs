//! The operator: how it begins, works and ends.

use super::super::{Left, Observation, Phase};
use crate::runtime::health::METRICS;
use korf_core::{
    queue::{Blocked, OutageNews},
    retry::seconds,
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::HandlerLeftOut { id, operator, location } => engine!(
            debug,
            "Handler '{id}' at {location} is left out: it is for operators of the name {operator:?} alone."
        ),
        Observation::LoginBegins => engine!(info, "Looking for credentials of a cluster."),
        Observation::LoginSucceeded { .. } => {
            engine!(info, "Credentials are found; the API server hasn't been asked yet.");
        }
        Observation::LoginRejected { why, patience } => login_rejected(why, patience),
        Observation::LoginRenewed => {
            engine!(info, "The API server accepts the credentials again: logged in again.")
        }
        Observation::PhaseEntered(phase) => phase_entered(phase),
        Observation::HealthServed { address, paths: METRICS } => {
            engine!(info, "Serving metrics at http://{address}{METRICS}");
        }
        Observation::HealthServed { address, paths } => {
            engine!(info, "Serving health status at http://{address}: {paths}");
        }
        Observation::StopRequested { signal } => {
            engine!(info, "Signal {signal} is received. Operator is stopping.");
        }
        Observation::Draining { left, grace } => draining(left, grace),
        Observation::Abandoned { left, grace } => abandoned(left, grace),
        Observation::Saturated { waiting, workers, after } => engine!(
            warn,
            "All {workers} workers have been busy for {} seconds while {waiting} objects wait. Handlers are slow, or the \
             concurrency is set too low.",
            seconds(after)
        ),
        Observation::SharesAsked { helped: true, .. } => engine!(
            info,
            "The API server sends each replica its share of the objects alone: the watches ask for that."
        ),
        Observation::SharesAsked { helped: false, why } => engine!(
            debug,
            "The API server sends all objects to each replica, which takes its share of them{}.",
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        ),
        Observation::FilesScarce { watches, files } => engine!(
            warn,
            "{watches} watches are needed, which is a connection for each kind in each namespace, and the process may have {files} \
             files open. Raise that limit (`ulimit -n`), or serve the whole cluster (`-A`), which takes one watch for each kind."
        ),
        Observation::WorkerLost { why } => engine!(error, "A worker has ended in an unexpected way: {why}"),
        Observation::ServiceLost { why } => engine!(error, "A service has ended in an unexpected way: {why}"),
        Observation::EventsDropped { events, why } => {
            engine!(warn, "{events} Kubernetes event(s) could not be posted and are dropped: {why}.");
        }
        Observation::EventsLeft { events } => {
            engine!(
                warn,
                "{events} Kubernetes event(s) were left to be posted when the operator had to stop."
            );
        }
        Observation::Outage(news) => outage(news),
        Observation::LeaseNamespaceUnused { namespace } => {
            engine!(
                warn,
                "The namespace {namespace:?} for Leases has no effect, because this operator has none: add --leader-elect or --shards."
            );
        }
        _ => {}
    }
}

fn login_rejected(why: Option<&str>, patience: Duration) {
    let again = why.map_or("reading them again has not helped".to_owned(), |why| {
        format!("they can't be read again: {why}")
    });
    engine!(
        warn,
        "The API server rejects the credentials (401), and {again}. They are read again until it accepts them; if that takes \
         {} seconds, the operator ends.",
        seconds(patience)
    );
}

fn outage(news: &OutageNews) {
    match news {
        OutageNews::Began(blocked) => engine!(
            error,
            "{}. Handlers wait for that: one of them is retried every {} seconds, and all once it gets through.",
            what(blocked),
            seconds(blocked.delay)
        ),
        OutageNews::Lasts { blocked, waiting, after } => {
            engine!(
                error,
                "{waiting} object(s) have waited for {} seconds: {}.",
                seconds(*after),
                what(blocked)
            );
        }
        OutageNews::Ended { cause, waiting, after } => {
            engine!(info, "Over after {} seconds: {cause}. {waiting} object(s) go on.", seconds(*after));
        }
    }
}

/// What is away, and the newest error, which may say it all.
fn what(Blocked { cause, why, .. }: &Blocked) -> String {
    if why.contains(&**cause) { why.to_string() } else { format!("{cause}: {why}") }
}

fn phase_entered(phase: Phase) {
    match phase {
        Phase::Starting | Phase::Listing | Phase::Draining | Phase::CleaningUp => {}
        Phase::Serving => engine!(debug, "All objects are listed."),
    }
}

fn draining(left: Left, grace: Duration) {
    let Left { handlers, daemons, changes } = left;
    let daemons = (daemons > 0).then(|| format!("for {daemons} daemon(s) to end"));
    let handlers = (handlers > 0).then(|| format!("for {handlers} running handler(s) to finish"));
    let changes = (changes > 0).then(|| format!("for the changes of {changes} object(s) to be stored"));
    let all: Vec<_> = handlers.into_iter().chain(daemons).chain(changes).collect();
    engine!(info, "Waiting up to {} seconds {}.", seconds(grace), all.join(", and "));
}

fn abandoned(left: Left, grace: Duration) {
    let (Left { handlers, daemons, changes }, grace) = (left, seconds(grace));
    if daemons > 0 {
        engine!(warn, "{daemons} daemon(s) did not end within {grace} seconds and are abandoned.");
    }
    if handlers > 0 {
        engine!(
            warn,
            "{handlers} handler(s) did not finish within {grace} seconds and are cancelled; they are called again at the \
             next start."
        );
    }
    if changes > 0 {
        engine!(
            warn,
            "The changes of {changes} object(s) could not be stored within {grace} seconds; their handlers are called again \
             at the next start."
        );
    }
}
