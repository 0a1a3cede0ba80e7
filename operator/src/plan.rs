//! Plans the change to a table; pure.
//!
//! The plan compares the spec with the catalog, not with an earlier spec. So an update after a failed
//! creation creates the table, a second run after a crash finds nothing to do, and so does the update that
//! puts a removed column back. The earlier columns, which the status and the table's comment name, only tell a column that
//! was removed from the spec, which is rejected, from one that someone else added to the table, which is left alone.
//!
//! A plan has changes, which are quick and are made in one transaction, and steps, which may take long and follow by themselves.

mod adoption;
mod change;
mod columns;
mod drift;
mod error;
mod index;
mod key;
mod pending;
mod removal;
mod slowness;

use crate::{
    catalog::{FoundIndexes, Head, Place, Publication, Relation, RelationKind},
    ddl,
    identifier::{Identifier, quote},
    marker::{self, FromSpec, Owner, Setting, Standing},
    outcome::Adoption,
    spec::{AdoptionPolicy, DriftPolicy, Index, Table},
    types::ResolvedColumn,
};
pub use adoption::strangeness;
pub use change::{Change, Obstacle, Step, StepKind};
use columns::Differences;
pub use columns::{Cause, is_quick, needs_details, needs_weight};
pub use drift::{
    Compared, Difference, DriftHint, DriftKind, Forget, HELD, Missing, Repair, decide, hold, obstructed,
    rejected,
};
pub use error::{Dispute, IncompatibleChange, PlanError};
pub use index::{IndexConflict, IndexPlan, IndexStep, names_of_indexes, plan_indexes};
use key::changed_key;
pub use key::lacks_key;
use pending::pending;
pub use pending::{Held, Refused, Turn};
pub use removal::{check_drop, check_dropped, may_drop, not_dropped, table_to_drop};
pub use slowness::{hold_back, too_slow};
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
    /// Its indexes, beside that of the primary key.
    pub indexes: Vec<Index>,
    /// Whether a missing schema is created.
    pub creates_schema: bool,
}

impl Claim {
    /// That of an object of which nothing else is known: it has made nothing yet.
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            table: None,
            columns: BTreeSet::new(),
            is_elsewhere: false,
            former: None,
            adoption: AdoptionPolicy::default(),
            is_first_hand: false,
            drift: DriftPolicy::default(),
            was_applied: false,
            too_slow: None,
            was_held: false,
            asks_first: false,
        }
    }

    /// Whether a table has been the object's, to all that is known, and its comment no longer says so.
    pub fn has_lost(&self, head: &Head, qualified: &str) -> bool {
        self.is_recorded(qualified) && head.owner().is_none()
    }

    /// Whether the status says that this table is this very object's.
    fn is_recorded(&self, qualified: &str) -> bool {
        self.table.as_deref() == Some(qualified) && self.is_first_hand && !self.is_elsewhere
    }
}

impl ResolvedTable {
    /// The names of its columns, exact.
    pub fn column_names(&self) -> BTreeSet<String> {
        self.columns.iter().map(|column| column.name.as_str().to_owned()).collect()
    }

    /// What of it comes from the spec: its columns, what is set of them, and its indexes.
    pub fn from_spec(&self) -> FromSpec {
        let settings =
            self.columns.iter().map(|column| (column.name.as_str().to_owned(), column.settings.names()));
        FromSpec {
            columns: self.column_names(),
            settings: settings.filter(|(_, settings)| !settings.is_empty()).collect(),
            indexes: self.indexes.iter().map(|index| index.name.as_str().to_owned()).collect(),
            work: None,
        }
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
    /// Whether the table that the status names is in another database than the one that the spec leads to now.
    pub is_elsewhere: bool,
    /// The table that another operator, which leaves no owner's line, has made for the object.
    pub former: Option<Table>,
    /// Whether a table that has no owner may become the object's.
    pub adoption: AdoptionPolicy,
    /// Whether the status says that the table is this very object's: it wasn't copied from another object or cluster.
    pub is_first_hand: bool,
    /// What is done where somebody has changed the table.
    pub drift: DriftPolicy,
    /// Whether the spec was applied before, so that what differs was changed by somebody since.
    pub was_applied: bool,
    /// The statements of this spec that took too long, and aren't tried again.
    pub too_slow: Option<Vec<String>>,
    /// The table was missing with most others of its database, and wasn't made again.
    pub was_held: bool,
    /// Whether rows may be in the way, as they were before: then they are looked for before anything is built.
    pub asks_first: bool,
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
    /// Its indexes; only read if the spec has some, or a spec has had some.
    pub indexes: FoundIndexes,
    /// Whether the schema is missing.
    pub lacks_schema: bool,
    /// Whether the schema is missing and a role has its name.
    pub lacks_schema_of_role: bool,
}

/// The change that makes a table match its spec, and the table that results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The table that the spec asks for.
    pub table: ResolvedTable,
    /// The changes to the table, which are made in one transaction.
    pub changes: Vec<Change>,
    /// The steps behind them, each by itself.
    pub steps: Vec<Step>,
    /// What of the table is the object's, afterwards.
    pub owned: FromSpec,
    /// The comment to write; `None` if the present one already names the object and its columns.
    pub comment: Option<String>,
    /// Whether the table was another's, or nobody's: its comment has the uid of an earlier or a later object of this name,
    /// or no owner. Only an object that still exists may take it over.
    pub takes_over: bool,
    /// How it becomes the object's, if it was nobody's.
    pub adoption: Option<Adoption>,
    /// Columns of the table that didn't come from the spec. They are left alone.
    pub extra_columns: Vec<String>,
}

impl Plan {
    /// Whether it sets the default of a column that is there.
    pub fn sets_defaults(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::SetDefault { .. }))
    }

    /// Whether there is no table yet.
    pub fn creates_table(&self) -> bool {
        self.changes.contains(&Change::CreateTable)
    }

    /// Lets the steps be done by a work of this number, and by no other one. `present` is the table's comment.
    pub fn begin_work(&mut self, number: &str, owner: &Owner, present: Option<&str>) {
        if !self.steps.is_empty() {
            self.owned.work = Some(number.to_owned());
            let before = self.comment.as_deref().or(present);
            self.comment = Some(owner.mark_comment(before, &self.owned));
        }
    }

    /// Whether nothing is left to do but to take the number of an earlier work out of the comment, which is `present`.
    pub fn only_ends_work(&self, owner: &Owner, present: Option<&str>) -> bool {
        let Some(present) = present.filter(|_| self.changes.is_empty() && self.steps.is_empty()) else {
            return false;
        };
        let line = marker::from_spec_in(present).filter(|line| line.work.is_some());
        Owner::from_comment(present).as_ref() == Some(owner)
            && line.is_some_and(|line| {
                let without = owner.mark_comment(Some(present), &FromSpec { work: None, ..line });
                self.comment.as_ref() == Some(&without)
            })
    }

    /// Whether it waits for a lock that stands in the way of changes alone, unless that is what it ends.
    pub fn needs_lock(&self) -> bool {
        let ends = |change: &Change| matches!(change, Change::CancelBuild(_) | Change::CancelValidation(_));
        let is_empty = self.changes.is_empty() && self.steps.is_empty() && self.comment.is_none();
        !is_empty && !self.changes.iter().any(ends)
    }
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
            existing: found.elsewhere.join(", "),
            pending: moves(&wanted, found),
            wanted: wanted.place.qualified,
        });
    }
    let Some(relation) = &found.here else {
        check_database(claim)?;
        return create(wanted, found, owner);
    };
    if let RelationKind::Other(kind) = relation.head.kind {
        return Err(PlanError::NotATable { table: wanted.place.qualified, kind });
    }
    match relation.head.owner() {
        Some(marked) if marked.matches(owner) => {
            check_stranger(&wanted.place, &relation.head, claim)?;
            check_standing(&wanted.place, &relation.head, owner)?;
            update(wanted, found, relation, &marked, claim)
        }
        Some(other) => {
            let foreign = other.cluster != owner.cluster;
            Err(PlanError::OwnedByAnother { table: wanted.place.qualified, owner: other, foreign })
        }
        None => adoption::adopt(wanted, found, relation, claim),
    }
}

/// The statements that would make the object's table the one that is wanted, if there is one, and nothing has its name and place.
fn moves(wanted: &ResolvedTable, found: &Found) -> Vec<String> {
    let ([existing], None) = (&*found.elsewhere, &found.here) else { return Vec::new() };
    if found.lacks_schema && (!wanted.creates_schema || found.lacks_schema_of_role) {
        return Vec::new();
    }
    let schema = found.lacks_schema.then_some(Change::CreateSchema);
    let schema = ddl::changes_of(wanted, schema.as_slice());
    schema.into_iter().chain(ddl::move_table(existing, &wanted.place)).collect()
}

/// Checks that the line in the table's comment isn't just anybody's. What was the object's before may have been given to another role.
fn check_stranger(place: &Place, head: &Head, claim: &Claim) -> Result<(), PlanError> {
    match head
        .stranger
        .clone()
        .filter(|_| claim.is_elsewhere || claim.table.as_ref() != Some(&place.qualified))
    {
        Some(role) => Err(PlanError::OfStranger { table: place.qualified.clone(), role }),
        None => Ok(()),
    }
}

/// Checks that no other object of this name, with another uid, claims the object's table.
fn check_standing(place: &Place, head: &Head, owner: &Owner) -> Result<(), PlanError> {
    let comment = head.comment.as_deref().unwrap_or_default();
    let claim = match owner.standing(comment) {
        Some(Standing::Taken) => Some(owner.claim_in(comment)),
        Some(Standing::Disputed) => None,
        Some(Standing::Own | Standing::Earlier) | None => return Ok(()),
    };
    let dispute = Dispute {
        owner: owner.clone(),
        rivals: owner.rivals(comment),
        claim,
        decision: ddl::comment(place, &owner.decide_in(comment)),
    };
    Err(PlanError::Disputed { table: place.qualified.clone(), dispute: Box::new(dispute) })
}

fn create(wanted: ResolvedTable, found: &Found, owner: &Owner) -> Result<Plan, PlanError> {
    if found.lacks_schema && !wanted.creates_schema {
        return Err(PlanError::SchemaMissing { schema: quote(&wanted.place.schema) });
    }
    if found.lacks_schema_of_role {
        return Err(PlanError::SchemaOfRole { schema: quote(&wanted.place.schema) });
    }
    // Nobody uses the table yet, so its indexes come with it.
    index::check_names(&wanted)?;
    plan_indexes(&wanted.place, &wanted.indexes, &BTreeSet::new(), &found.indexes)?;
    let schema = found.lacks_schema.then_some(Change::CreateSchema);
    let indexes = wanted.indexes.iter().cloned().map(Change::CreateIndex);
    let owned = wanted.from_spec();
    Ok(Plan {
        changes: schema.into_iter().chain(columns::create(&wanted)).chain(indexes).collect(),
        steps: Vec::new(),
        comment: Some(owner.mark_comment(None, &owned)),
        owned,
        takes_over: false,
        adoption: None,
        extra_columns: Vec::new(),
        table: wanted,
    })
}

fn update(
    wanted: ResolvedTable,
    found: &Found,
    relation: &Relation,
    marked: &Owner,
    claim: &Claim,
) -> Result<Plan, PlanError> {
    let comment = relation.head.comment.as_deref();
    let in_comment = comment.and_then(marker::from_spec_in);
    let after = columns::renamed(&wanted, relation, owned(in_comment.clone(), claim), &found.indexes);
    let present = found.indexes.renamed(&after.changes);
    let indexes = plan_indexes(&wanted.place, &wanted.indexes, &after.owned.indexes, &present);
    let Differences { changes, steps: of_columns, refused, unbound, in_use, dropped, retyped } =
        columns::compare(&wanted, &after.relation, &after.owned, &present);
    let changes: Vec<_> = after.changes.into_iter().chain(changes).collect();
    let mut refused: Vec<_> = after.refused.into_iter().chain(refused).collect();
    // Behind all else: rows may stand in its way.
    let mut of_key = Vec::new();
    if lacks_key(&wanted, &after.relation) {
        let details = after.relation.details.clone().unwrap_or_default();
        of_key = ddl::key(&wanted.place, &wanted.primary_key, &details, &present);
    } else {
        let is_all = refused.is_empty() && changes.is_empty();
        refused.extend(changed_key(&wanted, after.relation.key.as_ref(), is_all));
    }
    if !refused.is_empty() {
        let (released, of_indexes) =
            pending::indexes(&wanted, &after.owned.indexes, &present, (&dropped, &retyped));
        if let Some((_, held)) = refused.first_mut() {
            held.extend(released);
        }
        let steps: Vec<_> = of_columns.into_iter().chain(of_indexes).chain(of_key).collect();
        let pending = pending(&wanted, &refused, &changes, &steps);
        let changes = refused.into_iter().map(|(change, _)| change).collect();
        return Err(PlanError::Incompatible { table: wanted.place.qualified, changes, pending });
    }
    if let Some(index) = in_use {
        return Err(IndexConflict::IsIdentity { index, table: wanted.place.qualified }.into());
    }
    let mut indexes = indexes?;
    let of_indexes = ddl::index_steps(&wanted.place, &indexes.steps);
    let steps: Vec<_> = of_columns.into_iter().chain(of_indexes).chain(of_key).collect();
    let is_unbound = |name: &&String| unbound.iter().any(|(_, index)| index == *name);
    indexes.cancelled.extend(found.indexes.building.iter().filter(is_unbound).cloned());
    if relation.head.kind == RelationKind::Partitioned && !indexes.steps.is_empty() {
        return Err(IndexConflict::Partitioned { table: wanted.place.qualified }.into());
    }
    // Whatever it is, it holds a lock that each step needs.
    let is_awaited = |name: &&String| !indexes.cancelled.contains(name);
    if let Some(index) = found.indexes.building.iter().find(is_awaited)
        && !steps.is_empty()
    {
        let (index, table) = (index.clone(), wanted.place.qualified);
        return Err(IndexConflict::BeingBuilt { index, table }.into());
    }
    let names = wanted.column_names();
    let extra = after.relation.columns.iter().map(|column| column.name.clone());
    let extra_columns = extra.filter(|name| !names.contains(name)).collect();
    let takes_over = marked.uid != claim.owner.uid;
    let mut owned = FromSpec { indexes: indexes.owned, ..wanted.from_spec() };
    // Until its index is gone, a column is UNIQUE by an earlier spec: an attempt that ends before that leaves it to the next one.
    for (column, _) in unbound {
        owned.settings.entry(column).or_default().insert(Setting::Unique);
    }
    // A line of before, without columns, gets them when there is something else to write: it isn't worth a lock.
    let is_changed = !changes.is_empty() || !steps.is_empty();
    let is_stale = takes_over || is_changed || in_comment.is_some_and(|known| known != owned);
    let cancelled = indexes.cancelled.into_iter().map(Change::CancelBuild);
    Ok(Plan {
        changes: cancelled.chain(changes).collect(),
        steps,
        comment: is_stale
            .then(|| claim.owner.mark_comment(comment, &owned))
            .filter(|new| Some(&**new) != comment),
        owned,
        takes_over,
        adoption: None,
        extra_columns,
        table: wanted,
    })
}

/// The columns that are to be renamed before anything else.
pub fn renames(wanted: &ResolvedTable, relation: &Relation, claim: &Claim) -> Vec<Change> {
    let in_comment = relation.head.comment.as_deref().and_then(marker::from_spec_in);
    let after = columns::renamed(wanted, relation, owned(in_comment, claim), &FoundIndexes::default());
    after.changes.into_iter().filter(|change| matches!(change, Change::Rename { .. })).collect()
}

/// What came from the spec, by the comment and by the claim.
fn owned(in_comment: Option<FromSpec>, claim: &Claim) -> FromSpec {
    let mut owned = in_comment.unwrap_or_default();
    owned.columns.extend(claim.columns.iter().cloned());
    owned
}

/// Checks that an object which has no table here has none in another database either.
fn check_database(claim: &Claim) -> Result<(), PlanError> {
    match &claim.table {
        Some(table) if claim.is_elsewhere => {
            Err(PlanError::Elsewhere { table: table.clone(), forget: Forget::by(&claim.owner) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
