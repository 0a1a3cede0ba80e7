//! Plans the change to a table; pure.
//!
//! The plan compares the spec with the catalog, not with an earlier spec. So an update after a failed
//! creation creates the table, a second run after a crash finds nothing to do, and so does the update that
//! puts a removed column back. The earlier columns, which the status and the table's comment name, only tell a column that
//! was removed from the spec, which is rejected, from one that someone else added to the table, which is left alone.

mod adoption;
mod error;

use crate::{
    catalog::{CatalogColumn, Generated, Head, Key, KeyForm, Place, Publication, Relation, RelationKind},
    identifier::Identifier,
    marker::{self, Owner},
    spec::{AdoptionPolicy, Table},
    types::ResolvedColumn,
};
pub use adoption::strangeness;
pub use error::{IncompatibleChange, PlanError};
use std::collections::BTreeSet;

/// The table that the spec asks for, in the schema and with the types that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedTable {
    /// Its name and schema.
    pub place: Place,
    /// Its columns.
    pub columns: Vec<ResolvedColumn>,
    /// The columns of its primary key; empty without one.
    pub primary_key: Vec<Identifier>,
}

impl ResolvedTable {
    /// The names of its columns, exact.
    pub fn column_names(&self) -> BTreeSet<String> {
        self.columns.iter().map(|column| column.name.as_str().to_owned()).collect()
    }
}

/// An object's claim to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The object.
    pub owner: Owner,
    /// The table that the status names, as PostgreSQL prints it.
    pub table: Option<String>,
    /// The columns that came from the spec, exact. Other columns of the table are left alone.
    pub columns: BTreeSet<String>,
    /// The table that another operator, which leaves no owner's line, has made for the object.
    pub former: Option<Table>,
    /// Whether a table that has no owner may become the object's.
    pub adoption: AdoptionPolicy,
}

/// What the database has for an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The relation that has the wanted name.
    pub here: Option<Relation>,
    /// The object's tables of other names, as PostgreSQL prints them; only read if `here` isn't the object's.
    pub elsewhere: Vec<String>,
    /// The publications that have the table, or will have it; only read if nothing [identifies](Relation::has_identity) its
    /// rows.
    pub publications: Vec<Publication>,
}

/// The change that makes a table match its spec, and the table that results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The table that the spec asks for.
    pub table: ResolvedTable,
    /// The change to the table.
    pub action: Action,
    /// The comment to write; `None` if the present one already names the object and its columns.
    pub comment: Option<String>,
    /// Whether the table was another's, or nobody's: its comment has the uid of an earlier or a later object of this name,
    /// or no owner. Only an object that still exists may take it over.
    pub takes_over: bool,
    /// Whether it was nobody's.
    pub adopts: bool,
    /// Columns of the table that didn't come from the spec. They are left alone.
    pub extra_columns: Vec<String>,
}

/// The change to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create it.
    Create,
    /// Add these columns, all or none.
    AddColumns(Vec<ResolvedColumn>),
    /// None, it already has all columns.
    Nothing,
}

/// Plans how to get from the tables found to the one wanted.
///
/// # Errors
///
/// [`PlanError`] if a person has to decide.
pub fn plan(wanted: ResolvedTable, found: &Found, claim: &Claim) -> Result<Plan, PlanError> {
    let owner = &claim.owner;
    let is_ours = found.here.as_ref().is_some_and(|relation| relation.head.is_owned_by(owner));
    if !is_ours && !found.elsewhere.is_empty() {
        return Err(PlanError::Renamed {
            wanted: wanted.place.qualified,
            existing: found.elsewhere.join(", "),
        });
    }
    let Some(relation) = &found.here else { return Ok(create(wanted, owner)) };
    if let RelationKind::Other(kind) = relation.head.kind {
        return Err(PlanError::NotATable { table: wanted.place.qualified, kind });
    }
    match relation.head.owner() {
        Some(marked) if marked.matches(owner) => update(wanted, relation, &marked, claim),
        Some(other) => {
            let foreign = other.cluster != owner.cluster;
            Err(PlanError::OwnedByAnother { table: wanted.place.qualified, owner: other, foreign })
        }
        None => adoption::adopt(wanted, relation, claim),
    }
}

fn create(wanted: ResolvedTable, owner: &Owner) -> Plan {
    Plan {
        action: Action::Create,
        comment: Some(owner.mark_comment(None, &wanted.column_names())),
        takes_over: false,
        adopts: false,
        extra_columns: Vec::new(),
        table: wanted,
    }
}

fn update(
    wanted: ResolvedTable,
    relation: &Relation,
    marked: &Owner,
    claim: &Claim,
) -> Result<Plan, PlanError> {
    let comment = relation.head.comment.as_deref();
    let marked_columns = comment.and_then(marker::columns_in);
    let owned = claim.columns.union(marked_columns.as_ref().unwrap_or(&claim.columns)).cloned().collect();
    let changes = changes(&wanted, relation, &owned);
    if !changes.is_empty() {
        return Err(PlanError::Incompatible { table: wanted.place.qualified, changes });
    }
    let added: Vec<_> =
        wanted.columns.iter().filter(|column| !has_column(relation, column)).cloned().collect();
    let extra = relation.columns.iter().filter(|column| wanted_column(&wanted, column).is_none());
    let takes_over = marked.uid != claim.owner.uid;
    let names = wanted.column_names();
    // A line of before, without columns, gets them when there is something else to write: it isn't worth a lock.
    let is_stale = takes_over || !added.is_empty() || marked_columns.is_some_and(|marked| marked != names);
    Ok(Plan {
        action: if added.is_empty() { Action::Nothing } else { Action::AddColumns(added) },
        comment: is_stale.then(|| claim.owner.mark_comment(comment, &names)),
        takes_over,
        adopts: false,
        extra_columns: extra.map(|column| column.name.clone()).collect(),
        table: wanted,
    })
}

fn changes(wanted: &ResolvedTable, relation: &Relation, owned: &BTreeSet<String>) -> Vec<IncompatibleChange> {
    let mut changes: Vec<_> =
        relation.columns.iter().filter_map(|column| change(wanted, column, owned)).collect();
    if !is_key(&wanted.primary_key, relation.key.as_ref()) {
        let (from, to) = (relation.key.clone(), wanted.primary_key.clone());
        changes.push(IncompatibleChange::PrimaryKey { from, to });
    }
    changes
}

/// Whether a table's key is the one wanted. A deferrable one is: no two rows have the same key once a transaction is over.
fn is_key(wanted: &[Identifier], key: Option<&Key>) -> bool {
    let Some(key) = key else { return wanted.is_empty() };
    matches!(key.form, KeyForm::Plain | KeyForm::Deferrable)
        && wanted.iter().map(Identifier::as_str).eq(key.columns.iter().map(String::as_str))
}

fn change(
    wanted: &ResolvedTable,
    column: &CatalogColumn,
    owned: &BTreeSet<String>,
) -> Option<IncompatibleChange> {
    let Some(same) = wanted_column(wanted, column) else {
        let removed = owned.contains(&column.name);
        return removed.then(|| IncompatibleChange::Removed { column: column.name.clone() });
    };
    // Whether somebody has given an integer a sequence of its own is no change of its type.
    let unchanged = same.type_.id.stores_as(column.type_id) && (column.serial || !same.type_.serial);
    if !unchanged {
        let (column, from) = (same.name.clone(), column.type_name.clone());
        return Some(IncompatibleChange::TypeChanged { column, from, to: same.type_.sql().to_owned() });
    }
    // An identity column can be written, by INSERT … OVERRIDING SYSTEM VALUE.
    let (column, by) = (same.name.clone(), column.generated);
    matches!(by, Generated::Stored | Generated::Virtual)
        .then_some(IncompatibleChange::Generated { column, by })
}

fn has_column(relation: &Relation, column: &ResolvedColumn) -> bool {
    relation.columns.iter().any(|found| found.name == column.name.as_str())
}

fn wanted_column<'a>(wanted: &'a ResolvedTable, column: &CatalogColumn) -> Option<&'a ResolvedColumn> {
    wanted.columns.iter().find(|wanted| wanted.name.as_str() == column.name)
}

/// Chooses the table to drop among those `marked` with the object's line: a copy in another schema, restored
/// from a dump, has the line too.
///
/// `recorded` is the table that the status names, if it exists, and `wanted` the one that the spec names.
///
/// # Errors
///
/// [`PlanError::Ambiguous`] if a person has to decide.
pub fn table_to_drop(
    marked: &[Place],
    recorded: Option<&str>,
    wanted: Option<&Place>,
) -> Result<Option<Place>, PlanError> {
    let find = |name: &str| marked.iter().find(|place| place.qualified == name).cloned();
    let own = match (marked, recorded) {
        ([], _) => return Ok(None),
        (_, Some(recorded)) => find(recorded),
        ([only], None) => Some(only.clone()),
        (_, None) => wanted.and_then(|place| find(&place.qualified)),
    };
    own.map(Some).ok_or_else(|| PlanError::Ambiguous {
        marked: marked.iter().map(|place| place.qualified.clone()).collect(),
        recorded: recorded.map(str::to_owned),
    })
}

/// Checks that the object's table can be dropped: it is one, and nothing else goes with it.
///
/// # Errors
///
/// [`PlanError`] if a person has to decide.
pub fn check_drop(place: &Place, head: &Head) -> Result<(), PlanError> {
    let table = place.qualified.clone();
    match head.kind {
        RelationKind::Table => Ok(()),
        // RESTRICT would take all partitions.
        RelationKind::Partitioned => Err(PlanError::Partitioned { table }),
        RelationKind::Other(kind) => Err(PlanError::NoTableToDrop { table, kind }),
    }
}

#[cfg(test)]
mod tests;
