//! Report: Markdown tables of medians, their ratios, and which goals are reached.

use super::contender::Contender;
use std::{collections::BTreeMap, fmt::Write};

/// What is measured while objects are created, changed and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Backlog,
    BacklogCpu,
    BacklogControlPlane,
    BacklogPostgres,
    BacklogMemory,
    Updates,
    UpdatesCpu,
    UpdatesControlPlane,
    UpdatesPostgres,
    Deletions,
    DeletionsCpu,
    DeletionsControlPlane,
    DeletionsPostgres,
    LatencyMedian,
    LatencyWorst,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Backlog => "backlog: seconds",
            Self::BacklogCpu | Self::UpdatesCpu | Self::DeletionsCpu => "… CPU seconds of the operator",
            Self::BacklogControlPlane | Self::UpdatesControlPlane | Self::DeletionsControlPlane => {
                "… of the API server and etcd"
            }
            Self::BacklogPostgres | Self::UpdatesPostgres | Self::DeletionsPostgres => "… of PostgreSQL",
            Self::BacklogMemory => "… most memory, MiB",
            Self::Updates => "update wave: seconds",
            Self::Deletions => "delete wave: seconds",
            Self::LatencyMedian => "apply → table visible, p50: ms",
            Self::LatencyWorst => "… p99: ms",
        }
    }

    /// The ratio to the operator written by hand that this project aims at.
    fn goal(self) -> Option<f64> {
        match self {
            Self::Backlog | Self::Updates | Self::Deletions => Some(0.95),
            Self::BacklogCpu => Some(0.7),
            Self::BacklogMemory => Some(0.45),
            Self::LatencyMedian | Self::LatencyWorst => Some(0.9),
            _ => None,
        }
    }
}

/// All that was measured in several rounds.
#[derive(Debug, Default)]
pub struct Report {
    values: BTreeMap<(Measure, &'static str), Vec<f64>>,
}

impl Report {
    pub fn note(&mut self, contender: Contender, measure: Measure, value: f64) {
        eprintln!("  {}: {value:.2}", measure.name());
        self.values.entry((measure, contender.name())).or_default().push(value);
    }

    pub fn markdown(&self, contenders: &[Contender]) -> String {
        let names: Vec<_> = contenders.iter().map(|contender| contender.name()).collect();
        let mut rows = Table::new(["", &names.join(" | "), "ratio to by hand", "goal"]);
        let mut measures: Vec<_> = self.values.keys().map(|(measure, _)| *measure).collect();
        measures.dedup();
        for measure in measures {
            let cells: Vec<_> = names.iter().map(|name| self.cell(measure, name)).collect();
            let median = |contender: Contender| self.median(measure, contender.name());
            let both =
                median(Contender::Korf).zip(median(Contender::ByHand)).filter(|(_, other)| *other > 0.0);
            let ratio = both.map(|(ours, other)| ours / other);
            rows.add([
                measure.name(),
                &cells.join(" | "),
                &ratio_cell(ratio),
                &goal_cell(ratio, measure.goal()),
            ]);
        }
        rows.0
    }

    fn median(&self, measure: Measure, name: &'static str) -> Option<f64> {
        let mut values = self.values.get(&(measure, name))?.clone();
        values.sort_by(f64::total_cmp);
        Some(at(&values, 0.5))
    }

    fn cell(&self, measure: Measure, name: &'static str) -> String {
        let mut values = self.values.get(&(measure, name)).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        match values[..] {
            [] => String::new(),
            [lowest, .., highest] => format!("{:.2} ({lowest:.2} to {highest:.2})", at(&values, 0.5)),
            [only] => format!("{only:.2}"),
        }
    }
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
