//! Layer that turns tracing's events and spans into lines.

use super::{
    Log,
    object::{OBJECTS, ObjectRef},
    operator::{OPERATORS, OperatorName},
    record::Record,
};
use serde_json::Value;
use tracing::{
    Event, Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Writes a line for every event, and stores the object of each span.
pub(super) struct Lines<W> {
    log: Log,
    write: W,
}

impl<W: Fn(&str)> Lines<W> {
    pub fn new(log: Log, write: W) -> Self {
        Self { log, write }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        match attributes.metadata().target() {
            OBJECTS => {
                let mut object = ObjectRef::default();
                attributes.record(&mut object);
                span.extensions_mut().insert(object);
            }
            OPERATORS => {
                let mut operator = OperatorName::default();
                attributes.record(&mut operator);
                span.extensions_mut().insert(operator);
            }
            _ => {}
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = Record::new(*event.metadata().level(), event.metadata().target());
        event.record(&mut record);
        let scope = || context.event_scope(event).into_iter().flatten();
        record.object = scope().find_map(|span| span.extensions().get::<ObjectRef>().cloned());
        let operator = |name: &OperatorName| Value::from(name.0.as_str());
        let operator = scope().find_map(|span| span.extensions().get().map(operator));
        record.extras.extend(operator.map(|name| ("operator", name)));
        #[cfg(feature = "otel")]
        if self.log.is_json() {
            record.extras.extend(super::traces::ids());
        }
        (self.write)(&self.log.line(&record));
    }
}
