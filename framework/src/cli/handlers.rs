//! `handlers`: what is registered.

use crate::{
    core::retry::Backoff,
    core::retry::{Errors, Limits},
    handler::Handler,
    registry::{Place, Registry},
};
use std::{
    io::{self, Write},
    time::Duration,
};

type Row = [String; 5];

/// A table: kind, reason, id, options, place.
pub(super) fn print(registry: &Registry, out: &mut impl Write) -> io::Result<()> {
    let head = ["KIND", "REASON", "ID", "OPTIONS", "SOURCE"].map(String::from);
    let rows: Vec<Row> = std::iter::once(head).chain(registry.handlers().iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [kind, reason, id, options] = [width(0), width(1), width(2), width(3)];
    for row in &rows {
        writeln!(
            out,
            "{:kind$}  {:reason$}  {:id$}  {:options$}  {}",
            row[0], row[1], row[2], row[3], row[4]
        )?;
    }
    Ok(())
}

fn row(handler: &Handler) -> Row {
    let resource = &handler.kind.resource;
    [
        format!("{} ({})", resource.kind, resource.api_version),
        handler.trigger.to_string(),
        handler.id.clone(),
        options(&handler.limits),
        Place(&handler.site).to_string(),
    ]
}

/// Those that aren't the default.
fn options(limits: &Limits) -> String {
    let mut shown = Vec::new();
    shown.extend(limits.retries.map(|attempts| format!("retries={attempts}")));
    shown.extend(limits.timeout.map(|longest| format!("timeout={longest:?}")));
    if limits.backoff != Backoff::default() {
        shown.push(format!("backoff={}", backoff(limits.backoff)));
    }
    match limits.errors {
        Errors::Temporary => {}
        Errors::Ignored => shown.push("errors=ignored".into()),
        Errors::Permanent => shown.push("errors=permanent".into()),
    }
    if shown.is_empty() { "-".into() } else { shown.join(" ") }
}

fn backoff(backoff: Backoff) -> String {
    let text = |delay: Duration| format!("{delay:?}");
    match backoff {
        Backoff::Constant(delay) => text(delay),
        Backoff::Growing { first, most } => format!("{}..{}", text(first), text(most)),
    }
}
