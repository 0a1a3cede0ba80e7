//! Columns that the spec has given another name, and what the operator has named after them.
//!
//! The index of a UNIQUE and a NOT NULL follow their column to the names that a new table would give them: by these, a later attempt
//! knows what is its own, and the former ones are free for another column. Sequences keep theirs, as PostgreSQL does: programs call
//! them by name.

use crate::{
    catalog::{ColumnDetail, Details, FoundIndexes, Relation},
    ddl::{self, TakenNames},
    marker::FromSpec,
    plan::{Change, Held, IncompatibleChange, Refused, ResolvedTable, Turn},
};
use std::{borrow::Cow, collections::BTreeMap};

/// The table, and what came from the spec, once columns are renamed.
pub struct Renamed<'r> {
    /// The table.
    pub relation: Cow<'r, Relation>,
    /// What came from the spec.
    pub owned: FromSpec,
    /// The changes to get there.
    pub changes: Vec<Change>,
    /// What is refused, because the column never came from the spec, and the statements that would do it.
    pub refused: Vec<Refused>,
}

/// Renames the columns that still have their former names. Where there is none of that name, or the new name is taken, nothing
/// is to be done: it was renamed before, or never existed.
pub fn renamed<'r>(
    wanted: &ResolvedTable,
    relation: &'r Relation,
    owned: FromSpec,
    indexes: &FoundIndexes,
) -> Renamed<'r> {
    let taken = TakenNames::of(&wanted.indexes, indexes);
    let mut after =
        Renamed { relation: Cow::Borrowed(relation), owned, changes: Vec::new(), refused: Vec::new() };
    for column in &wanted.columns {
        let Some(from) = &column.settings.renamed_from else { continue };
        let (from, to) = (from.as_str(), column.name.as_str());
        let has = |name: &str| relation.columns.iter().any(|column| column.name == name);
        if has(to) || !has(from) {
            continue;
        }
        if !after.owned.columns.contains(from) {
            let change =
                IncompatibleChange::RenamesForeign { from: from.to_owned(), to: column.name.clone() };
            let rename = ddl::rename(&wanted.place, from, &column.name);
            after.refused.push((change, vec![Held::new(Turn::Name, rename)]));
            continue;
        }
        after.changes.push(Change::Rename { from: from.to_owned(), to: column.name.clone() });
        let relation = after.relation.to_mut();
        rename_in(relation, from, to);
        let details = relation.details.as_mut();
        let along = details
            .map(|details| Along { table: &wanted.place.name, from, to, taken: &taken }.rename_in(details));
        after.changes.extend(along.unwrap_or_default());
        after.owned.columns.remove(from);
        after.owned.columns.insert(to.to_owned());
        if let Some(settings) = after.owned.settings.remove(from) {
            after.owned.settings.insert(to.to_owned(), settings);
        }
    }
    after
}

/// What has a name that follows from that of a column.
struct Along<'a> {
    table: &'a str,
    from: &'a str,
    to: &'a str,
    taken: &'a TakenNames,
}

impl Along<'_> {
    /// Renames it, as far as the new names are free.
    fn rename_in(&self, details: &mut Details) -> Vec<Change> {
        let mut renamed: Vec<_> = self.not_null(details).into_iter().collect();
        let detail = details.columns.get_mut(self.to);
        renamed.extend(detail.and_then(|detail| self.unique(detail)));
        renamed
    }

    fn unique(&self, detail: &mut ColumnDetail) -> Option<Change> {
        let names = ddl::unique_names(self.table, self.from);
        let is_own = |name: &String| names.contains(name) && !self.taken.wanted.contains(name);
        let index = detail.unique.iter_mut().find(|index| !index.is_key && is_own(&index.name))?;
        let to = ddl::unique_names(self.table, self.to).into_iter().find(|name| self.taken.is_free(name))?;
        let from = std::mem::replace(&mut index.name, to.clone());
        index.constraint = index.constraint.take().map(|_| to.clone());
        Some(Change::RenameIndex { from, to })
    }

    fn not_null(&self, details: &mut Details) -> Option<Change> {
        let to = ddl::not_null_name(self.to);
        let is_taken = details.checks.contains(&to) || details.not_nulls.contains(&to);
        let check = ddl::not_null_name(self.from);
        let detail = details.columns.get_mut(self.to).filter(|_| !is_taken)?;
        let from = if details.checks.remove(&check) {
            details.checks.insert(to.clone());
            check
        } else {
            let from = detail.own_not_null.take()?;
            detail.own_not_null = Some(to.clone());
            detail.unproven = detail.unproven.take().map(|_| to.clone());
            details.not_nulls.remove(&from);
            details.not_nulls.insert(to.clone());
            from
        };
        Some(Change::RenameConstraint { from, to })
    }
}

fn rename_in(relation: &mut Relation, from: &str, to: &str) {
    let columns = relation.columns.iter_mut().map(|column| &mut column.name);
    let key = relation.key.iter_mut().flat_map(|key| &mut key.columns);
    for name in columns.chain(key).filter(|name| name.as_str() == from) {
        to.clone_into(name);
    }
    let Some(details) = &mut relation.details else { return };
    let sources = details.columns.values_mut().flat_map(|detail| &mut detail.sources);
    sources.filter(|name| name.as_str() == from).for_each(|name| to.clone_into(name));
    // They may have been read after a renaming that was taken back.
    move_key(&mut details.columns, from, to);
    let weight = &mut details.weight;
    move_key(&mut weight.remade, from, to);
    move_key(&mut weight.foreign, from, to);
    move_key(&mut weight.sequences, from, to);
}

fn move_key<T>(map: &mut BTreeMap<String, T>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}
