//! Report: Markdown tables of medians, their ratios, and which goals are reached.

use super::contender::Contender;
use std::{collections::BTreeMap, fmt::Write};

/// What operators are asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Backlog,
    Updates,
    Deletions,
    Latency,
}

/// What is measured of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Seconds,
    Cpu,
    ControlPlane,
    Postgres,
    /// Requests for each object; those of the load are in it, but for the backlog, which is there before.
    Requests,
    Memory,
    Median,
    Worst,
}

type Row = (Phase, Measure);

fn name(row: Row) -> &'static str {
    match row {
        (Phase::Updates, Measure::Seconds) => "update wave: seconds",
        (Phase::Deletions, Measure::Seconds) => "delete wave: seconds",
        (_, Measure::Seconds) => "backlog: seconds",
        (_, Measure::Cpu) => "… CPU seconds of the operator",
        (_, Measure::ControlPlane) => "… of the API server and etcd",
        (_, Measure::Postgres) => "… of PostgreSQL",
        (Phase::Backlog, Measure::Requests) => "… requests an object",
        (_, Measure::Requests) => "… requests an object, the load's with them",
        (_, Measure::Memory) => "… most memory, MiB",
        (_, Measure::Median) => "apply → table visible, p50: ms",
        (_, Measure::Worst) => "… p99: ms",
    }
}

/// The ratio to the operator written by hand that this project aims at.
fn goal(row: Row) -> Option<f64> {
    match row {
        (_, Measure::Seconds) => Some(0.95),
        (Phase::Backlog, Measure::Cpu) => Some(0.7),
        (_, Measure::Memory) => Some(0.45),
        (_, Measure::Median | Measure::Worst) => Some(0.9),
        _ => None,
    }
}

/// All that was measured in several rounds.
#[derive(Debug, Default)]
pub struct Report {
    values: BTreeMap<(Row, &'static str), Vec<f64>>,
}

impl Report {
    pub fn note(&mut self, contender: Contender, row: Row, value: f64) {
        eprintln!("  {}: {value:.2}", name(row));
        self.values.entry((row, contender.name())).or_default().push(value);
    }

    pub fn markdown(&self, contenders: &[Contender]) -> String {
        let names: Vec<_> = contenders.iter().map(|contender| contender.name()).collect();
        let mut table = Table::new(["", &names.join(" | "), "ratio to by hand", "goal"]);
        let mut rows: Vec<_> = self.values.keys().map(|(row, _)| *row).collect();
        rows.dedup();
        for row in rows {
            let cells: Vec<_> = names.iter().map(|name| self.cell(row, name)).collect();
            let median = |contender: Contender| self.median(row, contender.name());
            let both =
                median(Contender::Korf).zip(median(Contender::ByHand)).filter(|(_, other)| *other > 0.0);
            let ratio = both.map(|(ours, other)| ours / other);
            table.add([name(row), &cells.join(" | "), &ratio_cell(ratio), &goal_cell(ratio, goal(row))]);
        }
        table.0
    }

    /// What was measured, round by round.
    pub fn values(&self, contender: Contender, row: Row) -> &[f64] {
        self.values.get(&(row, contender.name())).map_or(&[], Vec::as_slice)
    }

    fn median(&self, row: Row, name: &'static str) -> Option<f64> {
        let mut values = self.values.get(&(row, name))?.clone();
        values.sort_by(f64::total_cmp);
        Some(at(&values, 0.5))
    }

    fn cell(&self, row: Row, name: &'static str) -> String {
        let mut values = self.values.get(&(row, name)).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        match values[..] {
            [] => String::new(),
            [lowest, .., highest] => format!("{:.2} ({lowest:.2} to {highest:.2})", at(&values, 0.5)),
            [only] => format!("{only:.2}"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a small count")]
pub fn float(count: usize) -> f64 {
    count as f64
}

/// A Markdown table.
#[derive(Debug)]
pub struct Table(pub String);

impl Table {
    /// A table with these columns, some of which may be several, with bars between them.
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        let head = format!("| {} |\n", head.join(" | "));
        let columns = head.matches('|').count() - 1;
        Self(format!("{head}|{}\n", "---|".repeat(columns)))
    }

    pub fn add<const N: usize>(&mut self, cells: [&str; N]) {
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

/// A ratio, if there is one.
pub fn ratio_cell(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

/// A goal, and whether it is reached.
pub fn goal_cell(value: Option<f64>, goal: Option<f64>) -> String {
    match (value, goal) {
        (_, None) => String::new(),
        (None, Some(goal)) => format!("≤ {goal}"),
        (Some(value), Some(goal)) if value <= goal => format!("≤ {goal}: reached"),
        (Some(_), Some(goal)) => format!("≤ {goal}: **not reached**"),
    }
}

/// The value below which this share of sorted values is.
pub fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a small index"
    )]
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
