//! Logs in Kopf's three formats, with the object that each record is about.
//!
//! [`cli`](crate::cli) sets this up. An operator with a `main` of its own does it with [`Logging`]; one that has
//! a subscriber of its own leaves it alone: korf's events and its [object spans](object_span) are usual ones.
//!
//! | Verbosity | korf and the operator | other libraries |
//! |---|---|---|
//! | [`Quiet`](Verbosity::Quiet) | WARN | WARN |
//! | [`Normal`](Verbosity::Normal) | INFO | WARN |
//! | [`Verbose`](Verbosity::Verbose) | DEBUG | WARN |
//! | [`Debug`](Verbosity::Debug) | DEBUG | DEBUG |
//!
//! Where `RUST_LOG` is set, it decides instead, by `target=level` pairs: `info,kube_client=debug`.

mod filter;
mod json;
mod layer;
mod object;
mod record;
#[cfg(test)]
mod tests;
mod text;

pub use filter::{BadFilter, Verbosity};
pub use object::object_span;

pub(crate) use object::OBJECTS;

/// Parts that the test kit captures lines with.
#[doc(hidden)]
pub mod parts {
    pub use super::{
        filter::filter as passing,
        object::{OBJECTS, ObjectRef},
        record::Record as LogRecord,
    };
}

use filter::filter;
use layer::Lines;
use record::Record;
use std::{
    env,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::Level;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// How a record becomes a line.
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

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logging {
    /// How a record becomes a line.
    pub format: Format,
    /// What is logged at all.
    pub verbosity: Verbosity,
}

impl Logging {
    /// Logs to the standard error stream from now on.
    ///
    /// # Errors
    /// `RUST_LOG` is set to something that cannot be understood.
    pub fn start(self) -> Result<Log, BadFilter> {
        let filter = filter(self.verbosity, env::var("RUST_LOG").ok().as_deref())?;
        let log = Log { format: self.format, kopf: Arc::default() };
        let lines = Lines::new(log.clone(), to_stderr).with_filter(filter);
        // Another subscriber may be there, set by the program or by a test. It stays.
        let _ = tracing_subscriber::registry().with(lines).try_init();
        Ok(log)
    }
}

/// The log that was started.
#[derive(Clone, Debug)]
pub struct Log {
    format: Format,
    kopf: Arc<AtomicBool>,
}

impl Log {
    /// Names korf's loggers as Kopf does: `kopf.objects` instead of `korf.objects`.
    pub fn call_it_kopf(&self) {
        self.kopf.store(true, Ordering::Relaxed);
    }

    /// Logs an error whatever the verbosity is: the last words of a program.
    pub fn last_words(&self, message: &str) {
        let said = Record { message: message.into(), ..Record::new(Level::ERROR, "korf::engine") };
        to_stderr(&self.line(&said));
    }

    fn line(&self, record: &Record) -> String {
        let now = jiff::Timestamp::now();
        let kopf = self.kopf.load(Ordering::Relaxed);
        match self.format {
            Format::Plain => text::plain(record),
            Format::Full => text::full(record, kopf, &now.to_zoned(jiff::tz::TimeZone::system())),
            Format::Json => json::line(record, now),
        }
    }
}

/// A log that nobody reads any more is no reason to stop, or to panic.
fn to_stderr(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
