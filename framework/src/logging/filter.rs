//! Filter of the log: verbosity, and `RUST_LOG`.

use super::{OBJECTS, operator::OPERATORS};
use std::{error, fmt};
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::filter::{FilterFn, Targets, filter_fn};

/// Verbosity of the log without `RUST_LOG`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors.
    Quiet,
    /// Events of objects; warnings and errors of libraries.
    #[default]
    Normal,
    /// Details of korf and the operator, too; warnings and errors of libraries.
    Verbose,
    /// Everything, libraries included.
    Debug,
}

/// Libraries with verbose logs of internal details.
const LIBRARIES: [&str; 14] = [
    "h2",
    "hyper",
    "hyper_util",
    "kube",
    "kube_client",
    "kube_runtime",
    "mio",
    "reqwest",
    "rustls",
    "tokio",
    "tokio_postgres",
    "tokio_util",
    "tower",
    "want",
];

const LOGGED_BY_KORF: [&str; 3] = ["deadpool", "kube_client", "kube_runtime"];

impl Verbosity {
    fn targets(self) -> Targets {
        // What kube says of failed requests, and a pool of failed connections, korf and its handlers say in words of
        // their own.
        let silent = LOGGED_BY_KORF.map(|library| (library, LevelFilter::OFF));
        let libraries = |level| LIBRARIES.map(|library| (library, level)).into_iter().chain(silent);
        match self {
            Self::Quiet => Targets::new().with_default(LevelFilter::WARN).with_targets(silent),
            Self::Normal => {
                Targets::new().with_default(LevelFilter::INFO).with_targets(libraries(LevelFilter::WARN))
            }
            Self::Verbose => {
                Targets::new().with_default(LevelFilter::DEBUG).with_targets(libraries(LevelFilter::WARN))
            }
            Self::Debug => Targets::new().with_default(LevelFilter::DEBUG),
        }
    }
}

/// `RUST_LOG` is not a list of `target=level` pairs.
#[derive(Debug)]
pub struct BadFilter(String);

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RUST_LOG is invalid ({}): write `info,kube_client=debug`, for example", self.0)
    }
}

impl error::Error for BadFilter {}

/// The spans that the log needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spans {
    /// Those of objects and operators: records name these, whatever else is passed.
    Own,
    /// All that another layer may ask for, too. A record in one of these that were none of the log's would have no object where its
    /// task has entered nothing else: from a span that a layer doesn't have, `tracing_subscriber` looks for one that was entered
    /// before it, and not for its parent.
    Shared,
}

/// Passes events by their targets and levels, and spans.
pub fn filter(
    verbosity: Verbosity,
    rust_log: Option<&str>,
    spans: Spans,
) -> Result<FilterFn<impl Fn(&Metadata<'_>) -> bool + use<>>, BadFilter> {
    let targets = match rust_log.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => text.parse::<Targets>().map_err(|error| BadFilter(error.to_string()))?,
        None => verbosity.targets(),
    };
    let most = targets.iter().map(|(_, level)| level).chain(targets.default_level()).max();
    let hint = most.unwrap_or(LevelFilter::OFF).max(LevelFilter::INFO);
    let passes_span = move |metadata: &Metadata<'_>| {
        [OBJECTS, OPERATORS].contains(&metadata.target())
            || spans == Spans::Shared && *metadata.level() <= Level::INFO
    };
    let passes = move |metadata: &Metadata<'_>| {
        (metadata.is_span() && passes_span(metadata))
            // Records of the `log` crate come twice: to be filtered, with their own target; to be logged, with this one.
            || metadata.target() == "log"
            || (metadata.is_event() && targets.would_enable(metadata.target(), metadata.level()))
    };
    Ok(filter_fn(passes).with_max_level_hint(hint))
}
