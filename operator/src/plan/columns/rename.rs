//! Columns that the spec has given another name.

use crate::{
    catalog::Relation,
    ddl,
    marker::FromSpec,
    plan::{Change, IncompatibleChange, Refused, ResolvedTable},
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
pub fn renamed<'r>(wanted: &ResolvedTable, relation: &'r Relation, owned: FromSpec) -> Renamed<'r> {
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
            after.refused.push((change, vec![ddl::rename(&wanted.place, from, &column.name)]));
            continue;
        }
        after.changes.push(Change::Rename { from: from.to_owned(), to: column.name.clone() });
        rename_in(after.relation.to_mut(), from, to);
        after.owned.columns.remove(from);
        after.owned.columns.insert(to.to_owned());
        if let Some(settings) = after.owned.settings.remove(from) {
            after.owned.settings.insert(to.to_owned(), settings);
        }
    }
    after
}

fn rename_in(relation: &mut Relation, from: &str, to: &str) {
    let columns = relation.columns.iter_mut().map(|column| &mut column.name);
    let key = relation.key.iter_mut().flat_map(|key| &mut key.columns);
    for name in columns.chain(key).filter(|name| name.as_str() == from) {
        to.clone_into(name);
    }
    let Some(details) = &mut relation.details else { return };
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
