//! Compares the primary key of a spec with that of the table.

use super::{IncompatibleChange, Refused, ResolvedTable};
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

/// The change of the key, if there is one, and the statement that would make it.
pub(super) fn changed_key(wanted: &ResolvedTable, key: Option<&Key>) -> Option<Refused> {
    if is_key(&wanted.primary_key, key) {
        return None;
    }
    let dropped = key.map(|key| format!("DROP CONSTRAINT {}", quote(&key.constraint)));
    let added =
        (!wanted.primary_key.is_empty()).then(|| format!("ADD {}", ddl::primary_key(&wanted.primary_key)));
    let lines: Vec<_> = dropped.into_iter().chain(added).collect();
    let change = IncompatibleChange::PrimaryKey { from: key.cloned(), to: wanted.primary_key.clone() };
    Some((change, vec![ddl::alter_table(&wanted.place, &lines)]))
}

/// Whether a table's key is the one wanted. A deferrable one is: no two rows have the same key once a transaction is over.
fn is_key(wanted: &[Identifier], key: Option<&Key>) -> bool {
    let Some(key) = key else { return wanted.is_empty() };
    matches!(key.form, KeyForm::Plain | KeyForm::Deferrable)
        && wanted.iter().map(Identifier::as_str).eq(key.columns.iter().map(String::as_str))
}
