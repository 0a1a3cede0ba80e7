//! Operator of log records, in a program that has several.

use std::fmt;
use tracing::{
    Span,
    field::{Field, Visit},
};

/// The target of the spans of operators.
pub const OPERATORS: &str = "korf::operators";

/// A span for one operator: all records in it, including those of its handlers, name the operator. One that is
/// [spawned](crate::Operator::spawn) is in such a span already.
pub fn operator_span(name: &str) -> Span {
    tracing::info_span!(target: OPERATORS, "operator", operator = name)
}

/// The name in a span of [`operator_span`].
#[derive(Debug, Default)]
pub struct OperatorName(pub String);

impl Visit for OperatorName {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "operator" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}
