//! Captured log lines.

use jiff::Timestamp;
use korf::__private::{
    clock,
    logging::{LogRecord, OBJECTS, ObjectRef, Spans, passing},
};
use korf::logging::Verbosity;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tracing::{
    Dispatch, Event, Level, Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The time.
    pub at: Timestamp,
    /// The severity.
    pub level: Level,
    /// Its object: `namespace/name`, or the name alone.
    pub object: Option<String>,
    /// The message.
    pub message: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:5} ", self.at.strftime("%H:%M:%S%.3f"), self.level)?;
        match &self.object {
            Some(object) => write!(f, "[{object}] {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// All lines so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    pub fn all(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The subscriber that captures the events of korf and of handlers, down to DEBUG.
    pub fn subscriber(&self) -> Dispatch {
        let registry = tracing_subscriber::registry();
        match passing(Verbosity::Verbose, None, Spans::Own) {
            Ok(filter) => Dispatch::new(registry.with(self.clone().with_filter(filter))),
            Err(_) => Dispatch::new(registry.with(self.clone())),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id).filter(|_| attributes.metadata().target() == OBJECTS) {
            let mut object = ObjectRef::default();
            attributes.record(&mut object);
            span.extensions_mut().insert(object);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = LogRecord::new(*event.metadata().level(), event.metadata().target());
        event.record(&mut record);
        let mut scope = context.event_scope(event).into_iter().flatten();
        let object = scope.find_map(|span| span.extensions().get::<ObjectRef>().map(ToString::to_string));
        let line = Line { at: clock::now(), level: record.level, object, message: record.message };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
