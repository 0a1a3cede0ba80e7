//! What has to be done to a table; pure.
//!
//! The wanted table is compared with the catalog and not with the spec of an earlier time. So an update after
//! a failed create makes the table, a second run after a crash finds nothing to do, and a column that was put
//! back after a refusal is simply there. What earlier times are needed for is to tell a column that was taken
//! out of the spec, which is refused, from one that somebody else has put into the table, which is left alone.

use crate::{
    catalog::{CatalogColumn, Place, Relation, RelationKind},
    identifier::{Identifier, quote},
    marker::Owner,
    types::ResolvedColumn,
};
use std::{collections::BTreeSet, fmt};

/// The table that the spec asks for, at its place and with types that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is to stand.
    pub place: Place,
    /// Its columns.
    pub columns: Vec<ResolvedColumn>,
    /// The columns of its primary key.
    pub primary_key: Vec<Identifier>,
}

/// What is known of an object's table before the database is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The object.
    pub owner: Owner,
    /// The table that the status names, as PostgreSQL prints it.
    pub table: Option<String>,
    /// The columns that were in the spec when it was handled, exact. Others in the table are somebody else's.
    pub columns: BTreeSet<String>,
}

/// What the database has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The relation at the wanted place.
    pub here: Option<Relation>,
    /// Tables of the same owner at other places, as PostgreSQL prints them.
    pub elsewhere: Vec<String>,
}

/// Everything that makes a table what its object wants, and what it is then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The table that the spec asks for.
    pub table: Wanted,
    /// The change to the table.
    pub action: Action,
    /// The comment to write; `None` if the present one names the owner already.
    pub comment: Option<String>,
    /// Whether the table's comment has another uid, of an earlier or a later object of this name. Only an object that
    /// still exists may take the table over.
    pub takes_over: bool,
    /// Columns of the table that its object knows nothing of: they are left alone.
    pub extra_columns: Vec<String>,
}

/// A change to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create it.
    Create,
    /// Add these columns, all or none.
    AddColumns(Vec<ResolvedColumn>),
    /// None: it is as the spec asks.
    Nothing,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The table exists and nobody marked it.
    #[error(
        "table {table} exists already and belongs to no DatabaseTable, so it is left alone: delete \
         this object, and create one with another tableName"
    )]
    Unmarked {
        /// The table.
        table: String,
    },
    /// The table is another object's.
    #[error("table {table} belongs to the DatabaseTable {owner}{cluster}, so it is left alone: delete \
             this object, and create one with another tableName", cluster = if *.foreign { " of another cluster" } else { "" })]
    OwnedByAnother {
        /// The table.
        table: String,
        /// The other object.
        owner: Owner,
        /// Whether the object is of another cluster.
        foreign: bool,
    },
    /// The name is taken by a view or the like.
    #[error(
        "{table} is {kind} and not a table, so it is left alone: delete this object, and create one with \
             another tableName"
    )]
    NotATable {
        /// The name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// The object has a table of another name.
    #[error(
        "the table of this object is {existing}, and a table can't be renamed or moved: nothing was changed; \
         set tableName back, or delete the object and create a new one for {wanted}"
    )]
    Renamed {
        /// The table that is asked for.
        wanted: String,
        /// The table that exists.
        existing: String,
    },
    /// Several tables may be the one to drop.
    #[error("{}, so nothing was dropped: drop what has to go, or take the object's line out of the comments \
             of the tables that are to stay", ambiguity(.marked, .recorded.as_deref()))]
    Ambiguous {
        /// The tables that carry the object's marker.
        marked: Vec<String>,
        /// The table that the status names, if it is there and doesn't carry the marker.
        recorded: Option<String>,
    },
    /// Columns or the primary key would have to change.
    #[error("the update of table {table} is aborted and nothing was changed: {}. Columns can only be added: \
             put back what was removed or changed", join_changes(.changes))]
    Incompatible {
        /// The table.
        table: String,
        /// Every change that can't be made.
        changes: Vec<IncompatibleChange>,
    },
}

/// A change that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncompatibleChange {
    /// The spec had a column that it hasn't any more, and the table has it.
    Removed {
        /// The column.
        column: String,
    },
    /// A column has another type than in the spec.
    TypeChanged {
        /// The column.
        column: Identifier,
        /// The type in the database.
        from: String,
        /// The type in the spec.
        to: String,
    },
    /// The primary key is another one than in the spec.
    PrimaryKey {
        /// The key in the database.
        from: Vec<String>,
        /// The key in the spec.
        to: Vec<Identifier>,
    },
}

/// Plans what to do for an object's table.
///
/// # Errors
///
/// [`PlanError`] where a person has to decide; then nothing at all is to be done.
pub fn plan(wanted: Wanted, found: &Found, claim: &Claim) -> Result<Plan, PlanError> {
    let owner = &claim.owner;
    let ours = found.here.as_ref().is_some_and(|relation| relation.is_owned_by(owner));
    if !ours && !found.elsewhere.is_empty() {
        return Err(PlanError::Renamed {
            wanted: wanted.place.qualified,
            existing: found.elsewhere.join(", "),
        });
    }
    let Some(relation) = &found.here else { return Ok(create(wanted, owner)) };
    if let RelationKind::Other(kind) = relation.kind {
        return Err(PlanError::NotATable { table: wanted.place.qualified, kind });
    }
    match relation.owner() {
        Some(marked) if marked.matches(owner) => update(wanted, relation, &marked, claim),
        Some(other) => {
            let foreign = other.cluster != owner.cluster;
            Err(PlanError::OwnedByAnother { table: wanted.place.qualified, owner: other, foreign })
        }
        None => Err(PlanError::Unmarked { table: wanted.place.qualified }),
    }
}

fn create(wanted: Wanted, owner: &Owner) -> Plan {
    Plan {
        table: wanted,
        action: Action::Create,
        comment: Some(owner.mark_comment(None)),
        takes_over: false,
        extra_columns: Vec::new(),
    }
}

/// Which table to drop, of those that carry the owner's marker: a copy in another schema, restored from a dump,
/// carries it as well.
///
/// `recorded` is what the status names, `recorded_is_there` whether there is anything of that name, and `wanted`
/// the place that the spec names.
///
/// # Errors
///
/// [`PlanError::Ambiguous`] where a person has to tell.
pub fn table_to_drop(
    marked: &[Place],
    recorded: Option<&str>,
    recorded_is_there: bool,
    wanted: Option<&Place>,
) -> Result<Option<Place>, PlanError> {
    let at = |qualified: &str| marked.iter().find(|place| place.qualified == qualified).cloned();
    if let Some(own) = recorded.and_then(at) {
        return Ok(Some(own));
    }
    let stranger = recorded.filter(|_| recorded_is_there);
    let own = match (marked, stranger) {
        ([], _) => return Ok(None),
        ([only], None) => Some(only.clone()),
        (_, None) => wanted.and_then(|place| at(&place.qualified)),
        (_, Some(_)) => None,
    };
    own.map(Some).ok_or_else(|| PlanError::Ambiguous {
        marked: marked.iter().map(|place| place.qualified.clone()).collect(),
        recorded: stranger.map(str::to_owned),
    })
}

fn update(wanted: Wanted, relation: &Relation, marked: &Owner, claim: &Claim) -> Result<Plan, PlanError> {
    let changes = changes(&wanted, relation, claim);
    if !changes.is_empty() {
        return Err(PlanError::Incompatible { table: wanted.place.qualified, changes });
    }
    let exists = |column: &ResolvedColumn| relation.columns.iter().any(|c| c.name == column.name.as_str());
    let added: Vec<_> = wanted.columns.iter().filter(|column| !exists(column)).cloned().collect();
    let extra = relation.columns.iter().filter(|column| wanted_column(&wanted, column).is_none());
    let takes_over = marked.uid != claim.owner.uid;
    Ok(Plan {
        action: if added.is_empty() { Action::Nothing } else { Action::AddColumns(added) },
        comment: takes_over.then(|| claim.owner.mark_comment(relation.comment.as_deref())),
        takes_over,
        extra_columns: extra.map(|column| column.name.clone()).collect(),
        table: wanted,
    })
}

fn changes(wanted: &Wanted, relation: &Relation, claim: &Claim) -> Vec<IncompatibleChange> {
    let mut changes: Vec<_> =
        relation.columns.iter().filter_map(|column| change(wanted, column, claim)).collect();
    if !wanted.primary_key.iter().map(Identifier::as_str).eq(relation.primary_key.iter().map(String::as_str))
    {
        let (from, to) = (relation.primary_key.clone(), wanted.primary_key.clone());
        changes.push(IncompatibleChange::PrimaryKey { from, to });
    }
    changes
}

fn change(wanted: &Wanted, column: &CatalogColumn, claim: &Claim) -> Option<IncompatibleChange> {
    let Some(same) = wanted_column(wanted, column) else {
        let removed = claim.columns.contains(&column.name);
        return removed.then(|| IncompatibleChange::Removed { column: column.name.clone() });
    };
    let unchanged = same.type_.id == column.id && same.type_.serial == column.serial;
    (!unchanged).then(|| IncompatibleChange::TypeChanged {
        column: same.name.clone(),
        from: format!("{}{}", column.type_name, if column.serial { " with a sequence" } else { "" }),
        to: same.type_.sql().to_owned(),
    })
}

fn wanted_column<'a>(wanted: &'a Wanted, column: &CatalogColumn) -> Option<&'a ResolvedColumn> {
    wanted.columns.iter().find(|wanted| wanted.name.as_str() == column.name)
}

impl fmt::Display for IncompatibleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { column } => {
                write!(f, "column {} is in the table but not in the spec", quote(column))
            }
            Self::TypeChanged { column, from, to } => {
                write!(f, "column {column} has the type {from}, but {to} in the spec")
            }
            Self::PrimaryKey { from, to } => {
                let from = from.iter().map(|name| quote(name));
                let to = to.iter().map(ToString::to_string);
                write!(f, "the primary key is {}, but {} in the spec", key(from), key(to))
            }
        }
    }
}

fn key(names: impl Iterator<Item = String>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { "absent".to_owned() } else { format!("({names})") }
}

fn ambiguity(marked: &[String], recorded: Option<&str>) -> String {
    let marked = marked.join(", ");
    match recorded {
        Some(recorded) => format!(
            "the status says that the object's table is {recorded}, but the comment that says so is on {marked}"
        ),
        None => format!("the comments of several tables say that they are this object's: {marked}"),
    }
}

fn join_changes(changes: &[IncompatibleChange]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
