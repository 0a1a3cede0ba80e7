//! Logs in Kopf's three formats, with the object of each record.
//!
//! [`cli`](crate::cli) sets this up. An operator with its own `main` uses [`Logging`]; one with its own subscriber needs
//! neither: korf's events and its [object spans](object_span) are ordinary ones. Where a program has several operators, each
//! has an [operator span](operator_span), and its records a field `operator`.
//!
//! | Verbosity | korf and the operator | other libraries |
//! |---|---|---|
//! | [`Quiet`](Verbosity::Quiet) | WARN | WARN |
//! | [`Normal`](Verbosity::Normal) | INFO | WARN |
//! | [`Verbose`](Verbosity::Verbose) | DEBUG | WARN |
//! | [`Debug`](Verbosity::Debug) | DEBUG | DEBUG |
//!
//! With the feature `otel`, spans are sent to an OpenTelemetry collector: see [traces](crate::traces).
//!
//! On a terminal, the level has a color; `NO_COLOR=1` turns that off.
//!
//! `RUST_LOG` overrides this with `target=level` pairs: `info,kube_client=debug`.

mod filter;
mod json;
mod layer;
mod object;
mod operator;
mod record;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "otel")]
mod traces;

pub use filter::{BadFilter, Verbosity};
pub use object::object_span;
pub use operator::operator_span;
#[cfg(feature = "otel")]
pub use traces::{BadTraces, Traces};

pub(crate) use object::OBJECTS;

/// Parts for the test kit, which captures lines.
#[doc(hidden)]
pub mod parts {
    pub use super::{
        filter::{Spans, filter as passing},
        object::{OBJECTS, ObjectRef},
        record::Record as LogRecord,
    };
}

use anstream::{AutoStream, ColorChoice};
use filter::{Spans, filter};
use layer::Lines;
use record::Record;
use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    Layer,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::{SubscriberInitExt, TryInitError},
};

/// Format of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The message alone, with its object.
    Plain,
    /// Time, logger, level and message.
    #[default]
    Full,
    /// One JSON object.
    Json,
}

/// Settings of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logging {
    /// The format of the lines.
    pub format: Format,
    /// The levels that are logged.
    pub verbosity: Verbosity,
}

impl Logging {
    /// Logs to the standard error stream from now on.
    ///
    /// # Errors
    /// `RUST_LOG` is invalid.
    pub fn start(self) -> Result<Log, BadFilter> {
        self.start_by(Spans::Own, |lines| tracing_subscriber::registry().with(lines).try_init())
    }

    /// The same, and sends traces.
    ///
    /// # Errors
    /// `RUST_LOG` is invalid.
    #[cfg(feature = "otel")]
    pub fn start_tracing(self, traces: &Traces) -> Result<Log, BadFilter> {
        let sent = traces.layer();
        self.start_by(Spans::Shared, |lines| tracing_subscriber::registry().with(sent).with(lines).try_init())
    }

    fn start_by<S: Subscriber + for<'a> LookupSpan<'a>>(
        self,
        spans: Spans,
        start: impl FnOnce(Box<dyn Layer<S> + Send + Sync>) -> Result<(), TryInitError>,
    ) -> Result<Log, BadFilter> {
        let filter = filter(self.verbosity, env::var("RUST_LOG").ok().as_deref(), spans)?;
        let log = Log { format: self.format, kopf: Arc::default(), colored: wants_colors() };
        // A subscriber set by the program or by a test takes precedence.
        let _ = start(Lines::new(log.clone(), to_stderr).with_filter(filter).boxed());
        Ok(log)
    }
}

/// The log that was started.
#[derive(Clone, Debug)]
pub struct Log {
    format: Format,
    kopf: Arc<AtomicBool>,
    /// The level has a color.
    colored: bool,
}

impl Log {
    /// Names korf's loggers as Kopf does: `kopf.objects` instead of `korf.objects`.
    pub fn call_it_kopf(&self) {
        self.kopf.store(true, Ordering::Relaxed);
    }

    /// Logs an error at any verbosity: the last words of a program.
    pub fn last_words(&self, message: &str) {
        let record = Record { message: message.into(), ..Record::new(Level::ERROR, "korf::engine") };
        to_stderr(&self.line(&record));
    }

    #[cfg(feature = "otel")]
    fn is_json(&self) -> bool {
        matches!(self.format, Format::Json)
    }

    fn line(&self, record: &Record) -> String {
        let now = jiff::Timestamp::now();
        let kopf = self.kopf.load(Ordering::Relaxed);
        match self.format {
            Format::Plain => text::plain(record),
            Format::Full => {
                let look = text::Look { kopf, colored: self.colored };
                text::full(record, look, &now.to_zoned(jiff::tz::TimeZone::system()))
            }
            Format::Json => json::line(record, now),
        }
    }
}

/// Whether the standard error stream is a terminal that shows colors, and its user hasn't forbidden them: by `NO_COLOR`, for
/// example. A file or a pipe never gets any.
fn wants_colors() -> bool {
    let stream = io::stderr();
    stream.is_terminal() && AutoStream::choice(&stream) != ColorChoice::Never
}

/// A closed standard error stream is no reason to stop or panic.
fn to_stderr(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
