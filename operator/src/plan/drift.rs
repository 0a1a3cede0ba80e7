//! Drift: what differs between a table and its spec, and what is done if somebody has changed it; pure.
//!
//! There is no comparison of its own: a table has drifted if a plan for it isn't empty. So it is never reported for what the
//! operator would leave alone, such as columns that a person has added.

use super::{
    Cause, Change, Found, IncompatibleChange, Plan, PlanError, ResolvedTable, Step, changed_key, error::join,
};
use crate::{
    catalog::Relation,
    ddl,
    identifier::{Identifier, quote},
    outcome::Adoption,
    spec::DriftPolicy,
};
use std::fmt;

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

/// What lets tables be made that the status says were there.
pub(super) const AGAIN: &str = "forget them: kubectl get databasetables -o name | xargs kubectl patch --subresource=status \
                                --type=merge -p '{\"status\": {\"table\": null}}'";

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
        words.extend(plan.steps.iter().map(left));
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

/// What a change would put right, as a difference.
fn missing(change: &Change) -> Option<String> {
    let of = |what: &str, column: &Identifier| format!("{what} of column {column}");
    Some(match change {
        Change::CancelBuild(_) | Change::CancelValidation(_) | Change::CreateIndex(_) => return None,
        Change::CreateSchema => "its schema is missing".to_owned(),
        Change::CreateTable => "it is missing".to_owned(),
        Change::AddColumn(column) => format!("column {} is missing", column.name),
        Change::Rename { from, to } => format!("column {to} is called {}", quote(from)),
        Change::RenameIndex { from, to } => format!("index {} is called {}", quote(to), quote(from)),
        Change::RenameConstraint { from, to } => {
            format!("constraint {} is called {}", quote(to), quote(from))
        }
        Change::Widen { column, type_, .. } => format!("{} isn't {type_}", of("the type", column)),
        Change::WidenSequence { column, type_, .. } => {
            format!("{} isn't {type_}", of("the type of the sequence", column))
        }
        Change::SetDefault { column, default } => format!("{} isn't {default}", of("the default", column)),
        Change::DropDefault { column } => format!("column {column} has a default"),
        Change::DropNotNull { column } => format!("column {column} is NOT NULL"),
        Change::SetIdentity { column, identity } => {
            format!("{} isn't {identity}", of("the identity", column))
        }
        Change::DropConstraint { name, column } => {
            format!("column {column} has the constraint {}", quote(name))
        }
        Change::Comment { column, .. } => format!("{} isn't that of the spec", of("the comment", column)),
    })
}

fn left(step: &Step) -> String {
    match step.what.strip_prefix("the drop of ") {
        Some(what) => format!("{what} is left over"),
        None => format!("{} is missing", step.what),
    }
}

/// What is done about a difference that somebody has made: the spec is as it was when it was applied last.
///
/// What loses nothing is planned under [`DriftPolicy::Repair`], and returned with what is told of it. The owner's line alone is the
/// operator's own, and no drift as long as it names the object.
///
/// # Errors
///
/// [`PlanError::Drifted`] in place of what tells the author of a spec that it can't be applied; otherwise what was planned.
pub fn decide(
    compared: Compared<'_>,
    planned: Result<Plan, PlanError>,
    policy: DriftPolicy,
) -> Result<(Plan, Option<Difference>), PlanError> {
    let Some(difference) = compared.difference(&planned) else { return Ok((planned?, None)) };
    let table = compared.wanted.place.qualified.clone();
    let drifted = |hint| PlanError::Drifted { table, difference: difference.clone(), hint };
    match planned {
        Err(PlanError::Incompatible { .. }) => Err(drifted(DriftHint::Lossy)),
        Err(PlanError::Renamed { wanted, .. }) => Err(drifted(DriftHint::Renamed { wanted })),
        Err(other) => Err(other),
        Ok(plan) => {
            if plan.adoption == Some(Adoption::ByPolicy) {
                return Ok((plan, None));
            }
            let is_ours = |relation: &Relation| relation.head.owner().is_some();
            if plan.changes.is_empty()
                && plan.steps.is_empty()
                && compared.found.here.as_ref().is_some_and(is_ours)
            {
                return Ok((plan, None));
            }
            match policy {
                DriftPolicy::Repair => Ok((plan, Some(difference))),
                DriftPolicy::Report => Err(drifted(DriftHint::Reported)),
            }
        }
    }
}

/// How many of the tables that the operator knows in a database are missing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Those that are missing.
    pub missing: usize,
    /// All that were asked for.
    pub known: usize,
}

impl Missing {
    /// Whether it isn't the tables that somebody has dropped: one or two may be all that there are.
    fn are_too_many(self) -> bool {
        self.missing >= FEW && self.missing * 2 > self.known
    }
}

/// The fewest missing tables with which a database may be another one, or one that is being restored.
const FEW: usize = 3;

/// Holds back a table that would be made again, if it is missing with most others of its database: they would all be empty, and in the
/// way of what restores them.
///
/// # Errors
///
/// [`PlanError::Drifted`].
pub fn hold(
    plan: Plan,
    difference: Difference,
    missing: Missing,
) -> Result<(Plan, Option<Difference>), PlanError> {
    match missing.are_too_many() {
        true => {
            let table = plan.table.place.qualified;
            Err(PlanError::Drifted { table, difference, hint: DriftHint::Most(missing) })
        }
        false => Ok((plan, Some(difference))),
    }
}

/// Why nothing is done about a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftHint {
    /// It would lose something.
    Lossy,
    /// The object's table has another name.
    Renamed {
        /// The name that it should have.
        wanted: String,
    },
    /// The policy is to report it.
    Reported,
    /// Most tables of the database are missing.
    Most(Missing),
}

/// What to do.
impl fmt::Display for DriftHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lossy => f.write_str("Change it back, or the spec, or run the statements in status.pending"),
            Self::Renamed { wanted } => write!(f, "Make it {wanted} again"),
            Self::Reported => f.write_str(
                "Nothing is done, because driftPolicy is Report: change it back, or run the statements in status.pending, or set \
                 driftPolicy: Repair",
            ),
            Self::Most(Missing { missing, known }) => write!(
                f,
                "So are most of the operator's tables in this database ({missing} of {known}), so nothing is made again, and empty: it may be \
                 another database than before, or a restore that isn't over. Lead the operator to the right one, or restore the tables; \
                 or, if they are to be made again, {AGAIN}"
            ),
        }
    }
}
