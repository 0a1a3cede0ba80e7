//! Text of a report, laid out for people as `kubectl describe` does.

use super::{
    report::{Changes, HandlerReport, Identity, Report},
    words::printable,
};
use crate::{cli::explain::words, runtime::clock};
use jiff::Timestamp;
use std::io::{self, Write};

/// The width of the names on the left.
const NAMES: usize = 12;

type Cells = [String; 3];

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let now = clock::now();
    head(&report.object, now, out)?;
    line("Replica", &report.replica.text, out)?;
    line("State", &report.state_text, out)?;
    line("Next", &report.next.text, out)?;
    for note in &report.notes {
        line("Note", note, out)?;
    }
    changes(&report.changes, out)?;
    writeln!(out, "\nHandlers:")?;
    table(report.handlers.iter().flat_map(|handler| rows(handler, "")), out)?;
    if let Some(requested) = &report.deletion_requested {
        writeln!(out, "\nDeletion:    requested {}", since(requested, now))?;
    }
    if !report.finalizers.is_empty() {
        writeln!(out, "\nFinalizers:")?;
        let rows = report.finalizers.iter();
        table(rows.map(|finalizer| [finalizer.name.clone(), finalizer.text.clone(), String::new()]), out)?;
    }
    Ok(())
}

fn line(name: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:NAMES$} {}", format!("{name}:"), printable(text))
}

fn head(object: &Identity, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    line("Name", &object.name, out)?;
    if let Some(namespace) = &object.namespace {
        line("Namespace", namespace, out)?;
    }
    line("Kind", &format!("{} ({})", object.kind, object.api_version), out)?;
    line("UID", &object.uid, out)?;
    if let Some(created) = &object.created {
        line("Created", &since(created, now), out)?;
    }
    match (object.generation, object.observed_generation) {
        (Some(generation), Some(observed)) => {
            line("Generation", &format!("{generation}, and status.observedGeneration is {observed}"), out)
        }
        (Some(generation), None) => line("Generation", &generation.to_string(), out),
        (None, _) => Ok(()),
    }
}

/// A time with its distance, or the text as it is where it is none.
fn since(text: &str, now: Timestamp) -> String {
    text.parse().map_or_else(|_| printable(text), |time: Timestamp| words::moment(time, now))
}

fn changes(changes: &Changes, out: &mut impl Write) -> io::Result<()> {
    if !changes.items.is_empty() {
        writeln!(out, "\nChanges since it was handled last:")?;
        let rows = changes.items.iter();
        return table(rows.map(|item| [item.op.to_owned(), item.field.join("."), item.text.clone()]), out);
    }
    Ok(())
}

fn rows(handler: &HandlerReport, indent: &str) -> Vec<Cells> {
    let own = [handler.on.to_owned(), format!("{indent}{}", handler.id), handler.text.clone()];
    let subs = handler.sub_handlers.iter().flat_map(|sub| rows(sub, "  "));
    std::iter::once(own).chain(subs).collect()
}

/// Rows in aligned columns.
fn table(rows: impl Iterator<Item = Cells>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Cells> = rows.map(|cells| cells.map(|cell| printable(&cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [first, second] = [width(0), width(1)];
    for [one, two, three] in &rows {
        let row = format!("  {one:first$}  {two:second$}  {three}");
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
