//! Log lines of the runtime: Kopf's, word for word, wherever Kopf has one.

mod leases;

use super::{DaemonEvent, HandlerName, Left, Observation, Phase, PostponeCause, peering};
use crate::{
    families::{ActivityKind, Kind},
    runtime::health::METRICS,
};
use korf_core::{
    Reason,
    cycle::{Cycle, CycleState, Idle},
    error::Error,
    patch::Finalizer,
    progress::{Counts, UnreadableEntry},
    queue::{Blocked, OutageNews},
    retry::{Outcome, seconds},
};
use std::time::Duration;
use tracing::{debug, error, info, warn};

macro_rules! engine {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::engine", $($words)+) };
}

macro_rules! object {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::objects", $($words)+) };
}

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

/// Writes the lines of an observation where Kopf would have written other words, and korf its own elsewhere.
pub fn write_as_kopf(observation: &Observation<'_>) {
    match *observation {
        Observation::LoginBegins => engine!(info, "Initial authentication has been initiated."),
        // Neither has asked the API server by now.
        Observation::LoginSucceeded { handler } => {
            if handler.is_none() {
                info!(target: "korf::activities", "Activity 'login_via_client' succeeded.");
            }
            engine!(info, "Initial authentication has finished.");
        }
        _ => write(observation),
    }
}

/// Writes the lines of an observation.
pub fn write(observation: &Observation<'_>) {
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
        Observation::IndexesAwaited { kinds } => engine!(
            warn,
            "No handler is called until all indexes are filled: {} not listed yet.",
            match kinds {
                [one] => format!("{one} is"),
                more => format!("{} are", more.join(", ")),
            }
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
        Observation::IndexesFilled { told: true } => {
            engine!(info, "All indexes are filled: handlers are called from now on.");
        }
        Observation::IndexesFilled { told: false } => engine!(debug, "All indexes are filled."),
        Observation::FilesScarce { watches, files } => engine!(
            warn,
            "{watches} watches are needed, which is a connection for each kind in each namespace, and the process may have {files} \
             files open. Raise that limit (`ulimit -n`), or serve the whole cluster (`-A`), which takes one watch for each kind."
        ),
        Observation::WorkerLost { why } => engine!(error, "A worker has ended in an unexpected way: {why}"),
        Observation::ServiceLost { why } => engine!(error, "A service has ended in an unexpected way: {why}"),
        Observation::ElectionBegins { .. }
        | Observation::Lease { .. }
        | Observation::LeasesLost { .. }
        | Observation::LeasesSettled { .. }
        | Observation::StandsBy { .. }
        | Observation::LeaseForeign { .. }
        | Observation::ShardsDiffer { .. }
        | Observation::ShardsAgree { .. }
        | Observation::LeasesFail { .. }
        | Observation::LeasesWork => leases::write(observation),
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
        Observation::Peering(news) => peering::write(&news),
        Observation::WatchBegins { kind, namespace, selector } => watch_begins(kind, namespace, selector),
        Observation::Listed { kind, namespaces, selector, objects } => {
            listed(kind, namespaces, selector, objects);
        }
        Observation::NamespaceMissing { namespace } => {
            engine!(warn, "There is no namespace {namespace:?}. The operator waits for it.");
        }
        Observation::NamespaceFound { namespace } => engine!(info, "The namespace {namespace:?} exists now."),
        Observation::NamespaceUnknown { namespace, why } => {
            engine!(debug, "Whether the namespace {namespace:?} exists can't be told: {why}.");
        }
        Observation::NamespacesUnknown { why, known: true, .. } => {
            engine!(debug, "Watching namespaces still fails: {why}.");
        }
        Observation::NamespacesUnknown { why, known: false, denied } => namespaces_unknown(why, denied),
        Observation::NamespacesKnown => engine!(info, "Watching namespaces works again."),
        Observation::NoNamespaceFits { globs } => {
            engine!(warn, "No namespace fits {globs:?}. The operator waits for one.");
        }
        Observation::LeaseNamespaceUnused { namespace } => {
            engine!(
                warn,
                "The namespace {namespace:?} for Leases has no effect, because this operator has none: add --leader-elect or --shards."
            );
        }
        Observation::NamespaceGone { namespace } => {
            engine!(info, "The namespace {namespace:?} is gone, and so are its objects.");
        }
        Observation::WatchFailed { kind, namespace, why, known: true, .. } => {
            engine!(debug, "Watching {kind} still fails{}: {why}.", within(namespace));
        }
        Observation::WatchFailed { server, kind, namespace: None, why, known: false } => {
            engine!(warn, "Watching {kind} at {server} fails: {why}. It is retried until it works.");
        }
        Observation::WatchFailed { server, kind, namespace, why, known: false } => engine!(
            warn,
            "Watching {kind} at {server} fails, first{}: {why}. It is retried until it works.",
            within(namespace)
        ),
        Observation::Relisting { kind, why } => {
            engine!(debug, "The watch of {kind} can't go on from where it was ({why}): all is listed again.");
        }
        Observation::WatchDelayed { kind, why } => {
            engine!(debug, "The API server is too busy to watch {kind} now ({why}): it is asked again.");
        }
        Observation::WatchRecovered { kind } => engine!(info, "Watching {kind} works again."),
        Observation::ListingInPages { kind } => {
            engine!(debug, "The API server can't stream the initial list of {kind}; it is read in pages.");
        }
        Observation::KindMissing { kind, built_in: true } => engine!(
            warn,
            "The API server doesn't know {kind}: its version of Kubernetes doesn't have it yet, or no longer. The operator \
             waits for it."
        ),
        Observation::KindMissing { kind, built_in: false } => engine!(
            warn,
            "The API server doesn't know {kind}. Install its CRD (the command `crd` prints those that are known); the \
             operator waits for it."
        ),
        Observation::VersionMissing { kind, served } => engine!(
            warn,
            "The API server serves {kind} as {served} alone, and no longer in the version that this operator handles. It waits for \
             that."
        ),
        Observation::KindFound { kind } => engine!(info, "The API server knows {kind} now."),
        Observation::NewerVersion { kind, newer } => engine!(
            warn,
            "{kind} is served as {newer}, too, which this operator doesn't know. Unless the CRD converts between them, the \
             operator's writes erase what only {newer} has: use an operator for {newer}."
        ),
        Observation::DiscoveryFailed { server, kind, why } => {
            engine!(warn, "Asking {server} about {kind} fails: {why}. It is retried until it works.");
        }
        Observation::MappingFailed { id, why } => {
            object!(
                error,
                "Mapper '{id}' failed: {why}. Only what it has returned for the object before gets a turn."
            )
        }
        Observation::Daemon { handler, event } => daemon(handler, event),
        Observation::DaemonEditsDropped { edits, gone: true } => {
            object!(debug, "{edits} change(s) that daemons asked for aren't written: the object is gone.");
        }
        Observation::DaemonEditsDropped { edits, gone: false } => object!(
            warn,
            "{edits} change(s) that daemons asked for are dropped: more of them wait to be written than are kept."
        ),
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
    }
}

fn within(namespace: Option<&str>) -> String {
    namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace:?}"))
}

fn namespaces_unknown(why: &str, denied: bool) {
    let advice = if denied {
        " The operator needs to `list` and `watch` namespaces, or their names without globs."
    } else {
        ""
    };
    engine!(
        warn,
        "Watching namespaces fails: {why}. Which ones fit the globs isn't known until it works, and it is retried. Those that \
         are known are served.{advice}"
    );
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

/// `<namespace>/<name>`; without the first part where there is no namespace.
fn full_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.into(), |namespace| format!("{namespace}/{name}"))
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

fn watch_begins(kind: &str, namespace: Option<&str>, selector: Option<&str>) {
    let place = namespace.map_or("the whole cluster".to_owned(), |name| format!("namespace {name:?}"));
    let only = selector.map(|selector| format!(", only what matches {selector}")).unwrap_or_default();
    engine!(debug, "The watch of {kind} in {place}{only} begins.");
}

fn listed(kind: &str, namespaces: &[String], selector: Option<&str>, objects: usize) {
    let place = match namespaces {
        [] => "the whole cluster".to_owned(),
        [one] => format!("namespace {one:?}"),
        more => format!("{} namespaces", more.len()),
    };
    let only = selector.map(|selector| format!(", only what matches {selector}")).unwrap_or_default();
    let count = match objects {
        0 => "no objects yet".to_owned(),
        1 => "1 object".to_owned(),
        more => format!("{more} objects"),
    };
    engine!(info, "Watching {kind} in {place}{only}: {count}.");
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
