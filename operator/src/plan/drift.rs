//! Drift: what differs between a table and its spec, and what is done if somebody has changed it; pure.
//!
//! There is no comparison of its own: a table has drifted if a plan for it isn't empty. So it is never reported for what the
//! operator would leave alone, such as columns that a person has added.

mod decision;
mod most;
mod words;

use super::{
    Cause, Change, Found, IncompatibleChange, Plan, PlanError, ResolvedTable, Step, changed_key, error::join,
};
use crate::ddl;
pub use decision::{DriftHint, decide, obstructed, rejected};
pub use most::{Forget, HELD, Missing, hold};
use std::fmt;
use words::{left, missing};

/// What a table differs in. Of several, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriftKind {
    /// The table is missing, or something else has its name.
    Table,
    /// The comment doesn't name the owner, and what came from the spec.
    Marker,
    /// The primary key.
    Key,
    /// The type of a column.
    Type,
    /// A column is missing, or has another name.
    Column,
    /// An index.
    Index,
    /// Something else, such as a default or NOT NULL.
    Other,
}

impl DriftKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Table, Self::Marker, Self::Key, Self::Type, Self::Column, Self::Index, Self::Other];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Marker => "marker",
            Self::Key => "key",
            Self::Type => "type",
            Self::Column => "column",
            Self::Index => "index",
            Self::Other => "other",
        }
    }
}

/// How a table differs from its spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    /// What it is about.
    pub kind: DriftKind,
    /// The differences in words.
    pub words: Vec<String>,
    /// The statements that would make the table as the spec asks.
    pub statements: Vec<String>,
}

impl Difference {
    /// What is told once it has been put right, or begun to be.
    pub fn told(&self, table: &str, is_over: bool) -> String {
        let loss = match self.kind {
            _ if !is_over => ". It is being put right",
            DriftKind::Table => {
                ". It has been created again: it is empty, and without grants, policies, triggers and what else the spec doesn't say"
            }
            DriftKind::Column => ". It is as the spec asks again; a column that was missing is empty",
            _ => ". It is as the spec asks again",
        };
        format!("Somebody had changed table {table}: {}{loss}", self.in_words())
    }

    /// The same, with more to be said of it.
    fn and(&self, word: String) -> Self {
        let words = self.words.iter().cloned().chain([word]).collect();
        Self { words, ..self.clone() }
    }

    /// The differences in one text; of many, some.
    pub fn in_words(&self) -> String {
        join(&self.words)
    }
}

/// What somebody has changed of a table, when it begins to be put right.
#[derive(Clone, Copy, Debug)]
pub struct Repair<'a> {
    /// The table, as PostgreSQL prints it.
    pub table: &'a str,
    /// How it differs from its spec.
    pub difference: &'a Difference,
    /// Whether it is put right already.
    pub is_over: bool,
}

/// For people.
impl fmt::Display for Repair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.difference.told(self.table, self.is_over))
    }
}

/// What there is to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The table that the spec asks for.
    pub wanted: &'a ResolvedTable,
    /// What the database has.
    pub found: &'a Found,
}

impl Compared<'_> {
    /// How the table differs from its spec, by what was planned; `None` if it doesn't.
    pub fn difference(&self, planned: &Result<Plan, PlanError>) -> Option<Difference> {
        match planned {
            Ok(plan) => self.of_plan(plan),
            Err(error) => Some(self.of_error(error)),
        }
    }

    /// How the table differs from its spec once the changes of a plan are made.
    pub fn behind_changes(&self, plan: &Plan) -> Option<Difference> {
        self.of_plan(&Plan { changes: Vec::new(), comment: None, ..plan.clone() })
    }

    fn of_plan(&self, plan: &Plan) -> Option<Difference> {
        let steps = plan.steps.iter().flat_map(|step| step.statements.iter().cloned());
        let statements: Vec<_> = ddl::statements(plan).into_iter().chain(steps).collect();
        if statements.is_empty() {
            return None;
        }
        let is_created = plan.changes.contains(&Change::CreateTable);
        let of_table =
            |change: &&Change| !is_created || matches!(change, Change::CreateSchema | Change::CreateTable);
        let mut words: Vec<_> = plan.changes.iter().filter(of_table).filter_map(missing).collect();
        words.extend(plan.steps.iter().map(|step| left(self, step)));
        words.dedup();
        if words.is_empty() {
            words.push("its comment doesn't say whose it is".to_owned());
        }
        Some(Difference { kind: self.kind(&plan.changes, &plan.steps), words, statements })
    }

    fn of_error(&self, error: &PlanError) -> Difference {
        let (kind, words) = match error {
            PlanError::Incompatible { changes, .. } => {
                let kind = changes.iter().map(kind_of).min_by_key(|kind| rank(*kind));
                (kind.unwrap_or(DriftKind::Other), changes.iter().map(ToString::to_string).collect())
            }
            PlanError::Renamed { existing, .. } => (DriftKind::Table, vec![format!("it is {existing} now")]),
            PlanError::NotATable { .. } | PlanError::Elsewhere { .. } | PlanError::SchemaMissing { .. } => {
                (DriftKind::Table, vec![error.to_string()])
            }
            PlanError::Unmarked { .. }
            | PlanError::LineLost { .. }
            | PlanError::NotAdopted { .. }
            | PlanError::OwnedByAnother { .. }
            | PlanError::OfStranger { .. }
            | PlanError::Disputed { .. } => (DriftKind::Marker, vec![error.to_string()]),
            PlanError::Index(_) => (DriftKind::Index, vec![error.to_string()]),
            _ => (DriftKind::Other, vec![error.to_string()]),
        };
        Difference { kind, words, statements: error.pending().to_vec() }
    }

    fn kind(&self, changes: &[Change], steps: &[Step]) -> DriftKind {
        let Some(relation) = &self.found.here else { return DriftKind::Table };
        if changed_key(self.wanted, relation.key.as_ref(), true).is_some() {
            return DriftKind::Key;
        }
        let of_change = changes.iter().map(|change| match change {
            Change::Widen { .. } | Change::WidenSequence { .. } => DriftKind::Type,
            Change::AddColumn(_) | Change::Rename { .. } => DriftKind::Column,
            Change::CreateIndex(_) | Change::CancelBuild(_) => DriftKind::Index,
            _ => DriftKind::Other,
        });
        let of_indexes = steps.iter().map(|step| match step.what.contains("index ") {
            true => DriftKind::Index,
            false => DriftKind::Other,
        });
        of_change.chain(of_indexes).min_by_key(|kind| rank(*kind)).unwrap_or(DriftKind::Marker)
    }
}

fn rank(kind: DriftKind) -> Option<usize> {
    DriftKind::ALL.iter().position(|of_all| *of_all == kind)
}

fn kind_of(change: &IncompatibleChange) -> DriftKind {
    match change {
        IncompatibleChange::Rewrite { cause: Cause::Remade(_) | Cause::Longer { .. }, .. } => DriftKind::Type,
        IncompatibleChange::Removed { .. }
        | IncompatibleChange::Rewrite { .. }
        | IncompatibleChange::RenamesForeign { .. } => DriftKind::Column,
        IncompatibleChange::TypeChanged { .. } | IncompatibleChange::Sources { .. } => DriftKind::Type,
        IncompatibleChange::PrimaryKey { .. } => DriftKind::Key,
        _ => DriftKind::Other,
    }
}
