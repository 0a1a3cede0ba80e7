//! Compares the primary key of a spec with that of the table.

use super::{Held, IncompatibleChange, Refused, ResolvedTable, Turn};
use crate::{
    catalog::{Key, KeyForm, Relation, RelationKind},
    ddl,
    identifier::{Identifier, quote},
};

/// Whether a table has no key where the spec has one, and can get it without losing anything: somebody has dropped it, say.
///
/// A partitioned table can't get one beside its use.
pub fn lacks_key(wanted: &ResolvedTable, relation: &Relation) -> bool {
    let is_there = |name: &Identifier| relation.columns.iter().any(|column| column.name == name.as_str());
    relation.key.is_none()
        && !wanted.primary_key.is_empty()
        && relation.head.kind == RelationKind::Table
        && wanted.primary_key.iter().all(is_there)
}

/// The change of the key, if there is one, and the statements that would make it: one, if it `is_all` that changes.
pub(super) fn changed_key(wanted: &ResolvedTable, key: Option<&Key>, is_all: bool) -> Option<Refused> {
    if is_key(&wanted.primary_key, key) {
        return None;
    }
    let dropped = key.map(|key| format!("DROP CONSTRAINT {}", quote(&key.constraint)));
    let added =
        (!wanted.primary_key.is_empty()).then(|| format!("ADD {}", ddl::primary_key(&wanted.primary_key)));
    let held = match (dropped, added) {
        (Some(dropped), Some(added)) if is_all => vec![(Turn::Key, vec![dropped, added])],
        (dropped, added) => {
            let dropped = dropped.map(|line| (Turn::Release, vec![line]));
            dropped.into_iter().chain(added.map(|line| (Turn::Key, vec![line]))).collect()
        }
    };
    let held = held.into_iter().map(|(turn, lines)| Held::new(turn, ddl::alter_table(&wanted.place, &lines)));
    let change = IncompatibleChange::PrimaryKey { from: key.cloned(), to: wanted.primary_key.clone() };
    Some((change, held.collect()))
}

/// Whether a table's key is the one wanted. A deferrable one is: no two rows have the same key once a transaction is over.
fn is_key(wanted: &[Identifier], key: Option<&Key>) -> bool {
    let Some(key) = key else { return wanted.is_empty() };
    matches!(key.form, KeyForm::Plain | KeyForm::Deferrable)
        && wanted.iter().map(Identifier::as_str).eq(key.columns.iter().map(String::as_str))
}
