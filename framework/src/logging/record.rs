//! Log record.

use super::object::ObjectRef;
use serde_json::Value;
use std::{error, fmt};
use tracing::{
    Level,
    field::{Field, Visit},
};

/// A log record, without its time.
#[derive(Debug)]
pub struct Record {
    /// Its severity.
    pub level: Level,
    /// The logger that wrote it.
    pub target: String,
    /// The text.
    pub message: String,
    /// Its other fields.
    pub extras: Vec<(&'static str, Value)>,
    /// Its object.
    pub object: Option<ObjectRef>,
}

impl Record {
    /// An empty record.
    pub fn new(level: Level, target: &str) -> Self {
        Self { level, target: target.into(), message: String::new(), extras: Vec::new(), object: None }
    }

    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            // Records of the `log` crate come with their places as fields.
            ("log.target", Value::String(target)) => self.target = target,
            (name, value) if !name.starts_with("log.") => self.extras.push((name, value)),
            _ => {}
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn error::Error + 'static)) {
        self.set(field, value.to_string().into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}
