//! Pending: the statements that would make a table as its spec asks, in an order in which they can be run; pure.
//!
//! One change may stand in the way of another one: the type of a column can't be changed while a computed column is made of it, nor
//! while it has an index that its new type can't have. So each statement has a turn: what stands in the way goes first, and comes
//! back at the end.

use super::{Change, IncompatibleChange, ResolvedTable, Step, plan_indexes};
use crate::{catalog::FoundIndexes, ddl, spec::Values, types::ResolvedColumn};
use std::collections::BTreeSet;

/// When a statement is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Columns get other names.
    Name,
    /// Columns are added, of which others may be made.
    Add,
    /// Constraints, identities and indexes go that a type may not have, or a column that goes.
    Release,
    /// Computed columns go.
    Drop,
    /// Columns get other types, or go.
    Alter,
    /// Computed columns are added.
    Compute,
    /// The rest.
    Rest,
    /// The key is added.
    Key,
}

impl Turn {
    const ALL: [Self; 8] =
        [Self::Name, Self::Add, Self::Release, Self::Drop, Self::Alter, Self::Compute, Self::Rest, Self::Key];

    /// That of the addition of a column.
    pub fn of_new(column: &ResolvedColumn) -> Self {
        if matches!(column.settings.values, Values::Generated(_)) { Self::Compute } else { Self::Add }
    }

    fn of_change(change: &Change) -> Option<Self> {
        match change {
            Change::CancelBuild(_) | Change::CancelValidation(_) => None,
            Change::Rename { .. } | Change::RenameIndex { .. } | Change::RenameConstraint { .. } => {
                Some(Self::Name)
            }
            Change::AddColumn(column) => Some(Self::of_new(column)),
            Change::DropConstraint { .. } => Some(Self::Release),
            Change::Widen { .. } | Change::WidenSequence { .. } => Some(Self::Alter),
            _ => Some(Self::Rest),
        }
    }
}

/// A statement that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it is to be run.
    pub turn: Turn,
    /// The statement.
    pub statement: String,
}

impl Held {
    /// A statement with its turn.
    pub fn new(turn: Turn, statement: String) -> Self {
        Self { turn, statement }
    }

    /// Statements of one turn.
    pub fn all(turn: Turn, statements: impl IntoIterator<Item = String>) -> Vec<Self> {
        statements.into_iter().map(|statement| Self::new(turn, statement)).collect()
    }
}

/// A change that isn't made, and the statements that would make it.
pub type Refused = (IncompatibleChange, Vec<Held>);

/// The statements in their order.
pub fn pending(
    wanted: &ResolvedTable,
    refused: &[Refused],
    changes: &[Change],
    steps: &[Step],
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    // What two changes have in common is done once.
    let held: Vec<_> =
        refused.iter().flat_map(|(_, held)| held).filter(|held| seen.insert(&held.statement)).collect();
    let of_turn = |turn: Turn| {
        let held_back = held.iter().filter(move |held| held.turn == turn).map(|held| held.statement.clone());
        let made: Vec<_> =
            changes.iter().filter(|change| Turn::of_change(change) == Some(turn)).cloned().collect();
        held_back.chain(ddl::changes_of(wanted, &made)).collect::<Vec<_>>()
    };
    let steps = steps.iter().flat_map(|step| step.statements.iter().cloned());
    Turn::ALL.into_iter().flat_map(of_turn).chain(steps).collect()
}

/// The steps towards the indexes of a spec, once columns were dropped and have other types, and what has to be done before that: an
/// index that is to be another one may not fit the type.
pub fn indexes(
    wanted: &ResolvedTable,
    owned: &BTreeSet<String>,
    found: &FoundIndexes,
    (dropped, retyped): (&BTreeSet<String>, &BTreeSet<String>),
) -> (Vec<Held>, Vec<Step>) {
    let mut left = found.clone();
    let mut released = Vec::new();
    left.present.retain(|index| {
        let has = |columns: &BTreeSet<String>| index.columns.iter().any(|column| columns.contains(column));
        let is_wanted = wanted.indexes.iter().any(|of| of.name.as_str() == index.name && index.is_as(of));
        let is_stale = owned.contains(&index.name) && !index.is_of_constraint && !is_wanted && has(retyped);
        if is_stale {
            released.push(Held::new(Turn::Release, ddl::drop_index_statement(&wanted.place, &index.name)));
        }
        !is_stale && !has(dropped)
    });
    let planned = plan_indexes(&wanted.place, &wanted.indexes, owned, &left);
    let steps = planned.as_ref().map_or(&[][..], |planned| &planned.steps);
    (released, ddl::index_steps(&wanted.place, steps))
}
