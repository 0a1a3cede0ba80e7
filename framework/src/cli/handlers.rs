//! `handlers`: what is registered.

use crate::{
    core::{
        filter::{Filter, Match},
        retry::{Backoff, Errors, Limits},
        task::Trigger,
    },
    handler::Handler,
    registry::{Place, Registry},
};
use std::{
    io::{self, Write},
    time::Duration,
};

type Row = [String; 5];

/// A table: kind, what calls the handler, id, options, place.
pub(super) fn print(registry: &Registry, out: &mut impl Write) -> io::Result<()> {
    let head = ["KIND", "ON", "ID", "OPTIONS", "SOURCE"].map(String::from);
    let rows: Vec<Row> = std::iter::once(head).chain(registry.handlers().iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [kind, on, id, options] = [width(0), width(1), width(2), width(3)];
    for row in &rows {
        writeln!(out, "{:kind$}  {:on$}  {:id$}  {:options$}  {}", row[0], row[1], row[2], row[3], row[4])?;
    }
    Ok(())
}

fn row(handler: &Handler) -> Row {
    let resource = &handler.kind.resource;
    [
        format!("{} ({})", resource.kind, resource.api_version),
        handler.trigger.to_string(),
        handler.id.clone(),
        options(handler),
        Place(&handler.site).to_string(),
    ]
}

/// Those that aren't the default: when, for which objects, and how often.
fn options(handler: &Handler) -> String {
    let mut shown = Vec::new();
    match handler.trigger {
        Trigger::Delete { optional, lets_go } => {
            shown.extend(optional.then(|| "optional".to_owned()));
            shown.extend(lets_go.then(|| "let_go".to_owned()));
        }
        Trigger::Resume { deleted: true } => shown.push("deleted".into()),
        _ => {}
    }
    shown.extend(filters(&handler.filter));
    shown.extend(limits(&handler.limits, handler.trigger));
    if shown.is_empty() { "-".into() } else { shown.join(" ") }
}

fn filters(filter: &Filter) -> Vec<String> {
    let entries = |name: &str, wanted: &[(String, Match)]| {
        let entries = wanted.iter().map(|(key, wanted)| format!("{name}[{key}]={wanted:?}"));
        entries.collect::<Vec<_>>()
    };
    let of_field = [("value", &filter.value), ("old", &filter.old), ("new", &filter.new)];
    let mut shown = entries("labels", &filter.labels);
    shown.extend(entries("annotations", &filter.annotations));
    shown.extend(filter.field.as_ref().map(|field| format!("field={field}")));
    shown.extend(of_field.iter().filter_map(|(name, wanted)| Some(format!("{name}={:?}", wanted.as_ref()?))));
    shown.extend(filter.when.as_ref().map(|_| "when".to_owned()));
    shown
}

fn limits(limits: &Limits, trigger: Trigger) -> Vec<String> {
    let mut shown = Vec::new();
    shown.extend(limits.retries.map(|attempts| format!("retries={attempts}")));
    shown.extend(limits.timeout.map(|longest| format!("timeout={longest:?}")));
    if limits.backoff != Backoff::default() {
        shown.push(format!("backoff={}", backoff(limits.backoff)));
    }
    match limits.errors {
        // Nothing else is possible there.
        _ if trigger == Trigger::Event => {}
        Errors::Temporary => {}
        Errors::Ignored => shown.push("errors=ignored".into()),
        Errors::Permanent => shown.push("errors=permanent".into()),
    }
    shown
}

fn backoff(backoff: Backoff) -> String {
    let text = |delay: Duration| format!("{delay:?}");
    match backoff {
        Backoff::Constant(delay) => text(delay),
        Backoff::Growing { first, most } => format!("{}..{}", text(first), text(most)),
    }
}
