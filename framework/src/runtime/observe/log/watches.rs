//! Watches: of which kinds, in which namespaces, and what is listed.

use super::super::Observation;
use tracing::{debug, info, warn};

/// Writes the lines of such an observation.
pub(super) fn write(observation: &Observation<'_>) {
    match *observation {
        Observation::IndexesAwaited { kinds } => {
            engine!(warn, "No handler is called until all indexes are filled: {} not listed yet.", are(kinds))
        }
        Observation::IndexesLackSomething { kinds } => engine!(
            warn,
            "Handlers are called though not all indexes are filled: {} not listed yet. They are filled as soon as that works.",
            are(kinds)
        ),
        Observation::IndexesFilled { told: true } => {
            engine!(info, "All indexes are filled: handlers are called from now on.");
        }
        Observation::IndexesFilled { told: false } => engine!(debug, "All indexes are filled."),
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
        _ => {}
    }
}

/// Names, with their verb.
fn are(kinds: &[String]) -> String {
    match kinds {
        [one] => format!("{one} is"),
        more => format!("{} are", more.join(", ")),
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
