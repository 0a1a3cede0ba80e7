//! Report: a Markdown table of medians, and ratios.

use super::contender::Contender;
use std::{collections::BTreeMap, fmt::Write};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Backlog,
    BacklogCpu,
    BacklogMemory,
    Updates,
    Deletions,
    LatencyMedian,
    LatencyWorst,
    RestartCpu,
    RestartMemory,
    RestartWrites,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Backlog => "backlog: seconds",
            Self::BacklogCpu => "… CPU seconds of the operator",
            Self::BacklogMemory => "… most memory, MiB",
            Self::Updates => "update wave: seconds",
            Self::Deletions => "delete wave: seconds",
            Self::LatencyMedian => "apply → table visible, p50: ms",
            Self::LatencyWorst => "… p99: ms",
            Self::RestartCpu => "restart with all handled: CPU seconds",
            Self::RestartMemory => "… memory, MiB",
            Self::RestartWrites => "… rounds with writes",
        }
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Report {
    values: BTreeMap<(Measure, &'static str), Vec<f64>>,
}

impl Report {
    pub fn note(&mut self, contender: Contender, measure: Measure, value: f64) {
        eprintln!("  {}: {value:.2}", measure.name());
        self.values.entry((measure, contender.name())).or_default().push(value);
    }

    pub fn markdown(&self, contenders: &[Contender], title: &str) -> String {
        let names: Vec<_> = contenders.iter().map(|contender| contender.name()).collect();
        let mut text = format!("{title}\n\n");
        let _ = writeln!(text, "| | {} | ratio to by hand |", names.join(" | "));
        let _ = writeln!(text, "|---|{}---|", "---|".repeat(names.len()));
        let mut measures: Vec<_> = self.values.keys().map(|(measure, _)| *measure).collect();
        measures.dedup();
        for measure in measures {
            let cells: Vec<_> = names.iter().map(|name| self.cell(measure, name)).collect();
            let median = |contender: Contender| self.median(measure, contender.name());
            let ratio =
                median(Contender::Korf).zip(median(Contender::ByHand)).filter(|(_, other)| *other > 0.0);
            let ratio = ratio.map_or_else(String::new, |(ours, other)| format!("{:.2}", ours / other));
            let _ = writeln!(text, "| {} | {} | {ratio} |", measure.name(), cells.join(" | "));
        }
        text
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
