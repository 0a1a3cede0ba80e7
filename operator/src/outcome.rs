//! Results of applying a spec and of dropping a table.

use crate::{
    identifier::{Identifier, quote},
    marker::Owner,
    plan::{Change, Difference, Plan},
    types::ResolvedColumn,
    warning::Warning,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The warnings that a message has, so that it stays readable; the log has all.
const MOST_WARNINGS: usize = 10;

/// A table that matches its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What was done to get there.
    pub outcome: Outcome,
    /// The table with its schema, as PostgreSQL prints it.
    pub table: String,
    /// The columns of the spec, in their order there.
    pub columns: Vec<ColumnStatus>,
    /// The columns of the primary key; empty without one.
    pub primary_key: Vec<String>,
    /// The names of the spec's indexes, in their order there.
    pub indexes: Vec<String>,
    /// Other columns of the table, which didn't come from the spec.
    pub extra_columns: Vec<String>,
    /// What the author of the spec may not expect.
    pub warnings: Vec<Warning>,
    /// How the table has become the object's just now, if it was nobody's.
    pub adoption: Option<Adoption>,
    /// What somebody had changed of the table, and was made again as the spec asks.
    pub drift: Option<Difference>,
}

/// How a table without an owner becomes an object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Adoption {
    /// The object's policy allows it.
    ByPolicy,
    /// Another operator has made it for the object.
    HandedOver,
    /// It was the object's before, and has lost the line that says so.
    LineLost,
}

/// Why it is the object's.
impl fmt::Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByPolicy => "it is as the spec asks, and adoptionPolicy is IfCompatible",
            Self::HandedOver => "it is as another operator has made it for this object",
            Self::LineLost => "its owner's line again, which its comment had lost: it is as the spec asks, and this object's by its status",
        })
    }
}

/// What was done to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The table was created.
    Created,
    /// These columns were added.
    ColumnsAdded(Vec<String>),
    /// This was changed, in words.
    Changed(Vec<String>),
    /// It was as the spec asks already.
    Unchanged,
}

/// A column that the table has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnStatus {
    /// The name, exact.
    pub name: String,
    /// The type, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub type_: String,
}

/// Why a table is [left](Dropped::Left).
pub const LEFT: &str = "its comment names another object of this name, with another uid. If there is none, neither in this cluster nor \
                        in one whose operator has the same --cluster-id, drop the table by hand";

/// The end of a deleted object's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// This table was dropped.
    Table(String),
    /// The object had no table.
    NoTable,
    /// This table is gone: the status names it. An attempt before this one may have dropped it, and not have heard so.
    Gone(String),
    /// No table of the object is known, and there is no way to its database, because of this.
    NotAsked(String),
    /// This table stays: the status names it, and its comment doesn't say whose it is.
    LineLost {
        /// The table.
        table: String,
        /// Whether the status is this very object's own, so that the comment has said so before.
        is_first_hand: bool,
    },
    /// This table stays: the status names it, and it is another object's by now.
    Anothers {
        /// The table.
        table: String,
        /// The other object.
        owner: Owner,
        /// Whether the other object is in another cluster.
        foreign: bool,
    },
    /// This table stays: the object no longer exists, and another object of the same name may own the table.
    Kept(String),
    /// This table stays: its comment names another object of the same name, or several.
    Left(String),
}

impl Applied {
    /// The table once the plan is carried out.
    pub fn new(plan: Plan, warnings: Vec<Warning>) -> Self {
        let outcome = Outcome::of(&plan);
        let Plan { table, extra_columns, adoption, .. } = plan;
        Self {
            outcome,
            table: table.place.qualified,
            columns: table.columns.into_iter().map(ColumnStatus::from).collect(),
            primary_key: table.primary_key.iter().map(exact).collect(),
            indexes: table.indexes.iter().map(|index| exact(&index.name)).collect(),
            extra_columns,
            warnings,
            adoption,
            drift: None,
        }
    }
}

impl Outcome {
    fn of(plan: &Plan) -> Self {
        let added = |change: &Change| match change {
            Change::AddColumn(column) => Some(exact(&column.name)),
            _ => None,
        };
        let (changes, steps) = (&plan.changes, &plan.steps);
        if changes.contains(&Change::CreateTable) {
            return Self::Created;
        }
        if changes.is_empty() && steps.is_empty() {
            return Self::Unchanged;
        }
        match changes.iter().map(added).collect::<Option<Vec<_>>>() {
            Some(columns) if steps.is_empty() => Self::ColumnsAdded(columns),
            _ => {
                let mut steps: Vec<_> = steps.iter().map(|step| step.what.clone()).collect();
                steps.dedup();
                Self::Changed(changes.iter().map(ToString::to_string).chain(steps).collect())
            }
        }
    }
}

impl From<ResolvedColumn> for ColumnStatus {
    fn from(column: ResolvedColumn) -> Self {
        Self { name: exact(&column.name), type_: column.type_.name }
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn exact(name: &Identifier) -> String {
    name.as_str().to_owned()
}

impl Applied {
    /// How many columns and indexes of the spec it has.
    pub fn extent(&self) -> String {
        let columns = counted(self.columns.len(), "column", "columns");
        match self.indexes.len() {
            0 => columns,
            indexes => format!("{columns} and {}", counted(indexes, "index", "indexes")),
        }
    }

    /// The message of the conditions, which has the warnings about the spec, too.
    pub fn message(&self, of_spec: &[String]) -> String {
        let mut message = self.to_string();
        let warnings = self.warnings.iter().map(ToString::to_string).chain(of_spec.iter().cloned());
        let count = self.warnings.len() + of_spec.len();
        for warning in warnings.take(MOST_WARNINGS) {
            message += ". WARNING: ";
            message += &warning;
        }
        if count > MOST_WARNINGS {
            let more = count - MOST_WARNINGS;
            message += &format!(". WARNING: {more} more, which the operator's log has");
        }
        message
    }
}

/// The table without its warnings.
impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} is as the spec asks, with {}", self.table, self.extent())?;
        if !self.extra_columns.is_empty() {
            let names: Vec<_> = self.extra_columns.iter().map(|name| quote(name)).collect();
            write!(f, ", and has other columns, which are left alone: {}", names.join(", "))?;
        }
        Ok(())
    }
}
