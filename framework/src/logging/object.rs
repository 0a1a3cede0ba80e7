//! Object of log records.

use crate::{core::body::Body, families::Kind};
use std::fmt;
use tracing::{
    Span,
    field::{Field, Visit},
};

/// The target of events and spans of objects.
pub const OBJECTS: &str = "korf::objects";

/// A span for one object. All records in it, including those of handlers, name the object.
pub fn object_span(kind: &Kind, body: &Body) -> Span {
    tracing::info_span!(
        target: OBJECTS,
        "object",
        object.api_version = kind.resource.api_version,
        object.kind = kind.resource.kind,
        object.name = body.name(),
        object.uid = body.uid(),
        object.namespace = body.namespace(),
    )
}

/// The fields of a span of [`object_span`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectRef {
    /// Its group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its namespace; none for cluster-scoped objects.
    pub namespace: Option<String>,
}

/// `namespace/name`, or the name alone.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Visit for ObjectRef {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "object.api_version" => self.api_version = value,
            "object.kind" => self.kind = value,
            "object.name" => self.name = value,
            "object.uid" => self.uid = value,
            "object.namespace" => self.namespace = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}
