//! Plans the indexes of a table; pure.
//!
//! An index holds no data of its own, so an object's indexes follow its spec: one that is no longer there is dropped, and one that
//! is there in another way is replaced. Indexes that didn't come from a spec are left alone.
//!
//! A table in use gets its indexes one by one, `CONCURRENTLY`, which is no part of a transaction. Whatever a crash leaves
//! behind, the next plan finds it in the catalog: an index that isn't valid, or its successor. That one is built under a name of its own, and takes
//! the other one's name when it is whole, so that queries have an index all the time.

mod conflict;

use super::{Change, ResolvedTable};
use crate::{
    catalog::{CatalogIndex, FoundIndexes, Place, RelationKind},
    ddl::{key_names, successor_name as successor, unique_names},
    spec::Index,
};
pub use conflict::IndexConflict;
use std::collections::BTreeSet;

/// What leads to the indexes of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexPlan {
    /// The indexes whose builds are ended in the transaction.
    pub cancelled: Vec<String>,
    /// What is done after the transaction, in order.
    pub steps: Vec<IndexStep>,
    /// The indexes that are, or will be, the object's.
    pub owned: BTreeSet<String>,
}

/// A step towards the indexes of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStep {
    /// Drops an index of this name.
    Drop(String),
    /// Drops what is left of one that was being built, unless it has become valid meanwhile.
    DropInvalid(String),
    /// Builds an index.
    Build {
        /// The name that it gets, exact.
        name: String,
        /// What is built; its name there is the one that it has in the end.
        index: Index,
    },
    /// Lets two indexes change names.
    Swap {
        /// The name in the spec, exact.
        name: String,
        /// The name of the successor, exact.
        successor: String,
    },
}

/// Plans how to get from the indexes found to those wanted. `owned` are those that came from a spec.
///
/// # Errors
///
/// [`IndexConflict`] if a person has to decide.
pub fn plan_indexes(
    table: &Place,
    wanted: &[Index],
    owned: &BTreeSet<String>,
    found: &FoundIndexes,
) -> Result<IndexPlan, IndexConflict> {
    let seen = Seen { table, owned, found };
    let mut steps = Vec::new();
    for index in wanted {
        steps.extend(seen.towards(index)?);
    }
    let mut kept: BTreeSet<_> = wanted.iter().map(|index| index.name.as_str().to_owned()).collect();
    for name in owned.iter().filter(|name| wanted.iter().all(|index| index.name.as_str() != **name)) {
        let ends = seen.away(name)?;
        if !ends.is_empty() {
            kept.insert(name.clone());
        }
        steps.extend(ends);
    }
    let is_dropped = |name: &&String| {
        steps
            .iter()
            .any(|step| matches!(step, IndexStep::Drop(of) | IndexStep::DropInvalid(of) if of == *name))
    };
    Ok(IndexPlan {
        cancelled: found.building.iter().filter(is_dropped).cloned().collect(),
        steps,
        owned: kept,
    })
}

/// Checks that no index of a new table has the name that its key, or a UNIQUE column, gets.
///
/// # Errors
///
/// [`IndexConflict::NamedAsConstraint`].
pub fn check_names(wanted: &ResolvedTable) -> Result<(), IndexConflict> {
    let table = &wanted.place.name;
    let [key, _] = key_names(table);
    let key = (!wanted.primary_key.is_empty()).then_some(key);
    let unique = wanted.columns.iter().filter(|column| column.settings.unique);
    let unique = unique.map(|column| {
        let [name, _] = unique_names(table, column.name.as_str());
        name
    });
    let taken: BTreeSet<_> = unique.chain(key).collect();
    let Some(index) = wanted.indexes.iter().find(|index| taken.contains(index.name.as_str())) else {
        return Ok(());
    };
    let (index, table) = (index.name.as_str().to_owned(), wanted.place.qualified.clone());
    Err(IndexConflict::NamedAsConstraint { index, table })
}

/// The names that the indexes of a spec and of a table may need.
pub fn names_of_indexes(wanted: &[Index], owned: &BTreeSet<String>) -> Vec<String> {
    let all: BTreeSet<_> =
        wanted.iter().map(|index| index.name.as_str()).chain(owned.iter().map(String::as_str)).collect();
    all.into_iter().flat_map(|name| [name.to_owned(), successor(name)]).collect()
}

impl FoundIndexes {
    /// The same, once columns are renamed, and their indexes along.
    pub fn renamed(&self, changes: &[Change]) -> Self {
        let mut renamed = self.clone();
        for change in changes {
            match change {
                Change::Rename { from, to } => {
                    let columns = renamed.present.iter_mut().flat_map(|index| &mut index.columns);
                    columns.filter(|name| *name == from).for_each(|name| to.as_str().clone_into(name));
                }
                Change::RenameIndex { from, to } => {
                    let names = renamed.present.iter_mut().map(|index| &mut index.name);
                    names.filter(|name| *name == from).for_each(|name| name.clone_from(to));
                }
                _ => {}
            }
        }
        renamed
    }
}

struct Seen<'a> {
    table: &'a Place,
    owned: &'a BTreeSet<String>,
    found: &'a FoundIndexes,
}

impl Seen<'_> {
    fn find(&self, name: &str) -> Option<&CatalogIndex> {
        self.found.present.iter().find(|index| index.name == name)
    }

    /// The steps towards an index of the spec.
    fn towards(&self, wanted: &Index) -> Result<Vec<IndexStep>, IndexConflict> {
        let name = wanted.name.as_str().to_owned();
        let successor = successor(&name);
        self.check_free(&name)?;
        self.check_free(&successor)?;
        let build = |name: &String| IndexStep::Build { name: name.clone(), index: wanted.clone() };
        let beside = self.find(&successor);
        let is_whole = |index: &CatalogIndex| index.is_as(wanted) && index.is_valid;
        let Some(here) = self.find(&name) else {
            return Ok(end(beside).into_iter().chain([build(&name)]).collect());
        };
        if is_whole(here) {
            return Ok(end(beside).into_iter().collect());
        }
        self.check_replaceable(here)?;
        // What becomes of a build that is wanted, or isn't ours to end, decides: no step comes before that.
        let is_awaited = |index: &CatalogIndex| {
            self.is_being_built(index) && (index.is_as(wanted) || !self.is_owned(index))
        };
        if is_awaited(here) || beside.is_some_and(|index| self.is_being_built(index) && index.is_as(wanted)) {
            return Ok(vec![build(&name)]);
        }
        if !here.is_valid {
            return Ok(end(beside).into_iter().chain(end(Some(here))).chain([build(&name)]).collect());
        }
        let ready = beside.is_some_and(is_whole);
        let before = end(beside).filter(|_| !ready);
        let built = (!ready).then(|| build(&successor));
        let swap = IndexStep::Swap { name, successor: successor.clone() };
        Ok(before.into_iter().chain(built).chain([swap, IndexStep::Drop(successor)]).collect())
    }

    /// The steps that end an index which the spec no longer has. While there are any, it is still the object's.
    fn away(&self, name: &str) -> Result<Vec<IndexStep>, IndexConflict> {
        let here = self.find(name).filter(|index| !index.is_of_constraint);
        let all = [here, self.find(&successor(name))].into_iter().flatten();
        if let Some(index) = all.clone().find(|index| index.is_identity) {
            return Err(self.in_use(index));
        }
        Ok(all.map(|index| IndexStep::Drop(index.name.clone())).collect())
    }

    fn check_free(&self, name: &str) -> Result<(), IndexConflict> {
        match self.found.taken.iter().find(|(taken, _)| taken == name) {
            None => Ok(()),
            Some((_, kind)) => Err(IndexConflict::NameTaken {
                index: name.to_owned(),
                table: self.table.qualified.clone(),
                kind: match kind {
                    RelationKind::Table | RelationKind::Partitioned => "a table",
                    RelationKind::Other("an index") => "an index of another table",
                    RelationKind::Other(kind) => kind,
                },
            }),
        }
    }

    /// Whether an index that isn't as the spec asks may be dropped.
    fn check_replaceable(&self, here: &CatalogIndex) -> Result<(), IndexConflict> {
        let (index, table) = (here.name.clone(), self.table.qualified.clone());
        if here.is_of_constraint {
            return Err(IndexConflict::OfConstraint { index, table });
        }
        if here.is_identity {
            return Err(self.in_use(here));
        }
        if !self.is_owned(here) && !self.is_being_built(here) {
            return Err(IndexConflict::OfOthers { index, table, is_valid: here.is_valid });
        }
        Ok(())
    }

    fn is_owned(&self, index: &CatalogIndex) -> bool {
        self.owned.contains(&index.name)
    }

    fn is_being_built(&self, index: &CatalogIndex) -> bool {
        self.found.building.contains(&index.name)
    }

    fn in_use(&self, index: &CatalogIndex) -> IndexConflict {
        IndexConflict::IsIdentity { index: index.name.clone(), table: self.table.qualified.clone() }
    }
}

/// The step that makes room for another index.
fn end(index: Option<&CatalogIndex>) -> Option<IndexStep> {
    index.map(|CatalogIndex { name, is_valid, .. }| match is_valid {
        true => IndexStep::Drop(name.clone()),
        false => IndexStep::DropInvalid(name.clone()),
    })
}

#[cfg(test)]
mod tests;
