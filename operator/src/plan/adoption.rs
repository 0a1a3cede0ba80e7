//! Adoption of tables that have no owner; pure.
//!
//! A table without an owner's line may be anybody's. There are two ways in which it becomes an object's: its author says so
//! (`adoptionPolicy`), or it is as an operator without such lines has made it for the object. In neither is anything changed
//! but the comment, so a table that was taken by mistake is as it was.

use super::{Action, Claim, IncompatibleChange, Plan, PlanError, ResolvedTable, changes, has_column, update};
use crate::{
    catalog::{Relation, RelationKind},
    spec::AdoptionPolicy,
};
use std::collections::BTreeSet;

/// Plans what becomes of a table that has no owner, as the object's policy says.
///
/// Columns that the spec doesn't have are left alone, as always: who imports a table step by step begins with some.
pub(super) fn adopt(wanted: ResolvedTable, relation: &Relation, claim: &Claim) -> Result<Plan, PlanError> {
    let table = wanted.place.qualified.clone();
    if claim.adoption == AdoptionPolicy::Never {
        return Err(PlanError::Unmarked { table });
    }
    // Unless this one has lost its line, what the object had before was another table.
    let lost = claim.table.as_ref() == Some(&table);
    let claim =
        Claim { columns: if lost { claim.columns.clone() } else { BTreeSet::new() }, ..claim.clone() };
    let differences = differences(&wanted, relation, &claim.columns);
    if !differences.is_empty() {
        return Err(PlanError::NotAdopted { table, differences });
    }
    let comment = claim.owner.mark_comment(relation.head.comment.as_deref(), &wanted.column_names());
    let plan = update(wanted, relation, &claim.owner, &claim)?;
    debug_assert_eq!(plan.action, Action::Nothing, "it would differ");
    Ok(Plan { comment: Some(comment), takes_over: true, adopts: true, ..plan })
}

/// What tells a table without an owner from the one that an operator without lines has made by this spec; empty if nothing
/// does. It made it all, so there are no other columns.
pub fn strangeness(former: &ResolvedTable, relation: &Relation) -> Vec<IncompatibleChange> {
    let all = relation.columns.iter().map(|column| column.name.clone()).collect();
    differences(former, relation, &all)
}

/// What would have to change in a table so that it is the one wanted, or can't.
fn differences(
    wanted: &ResolvedTable,
    relation: &Relation,
    owned: &BTreeSet<String>,
) -> Vec<IncompatibleChange> {
    let mut differences = Vec::new();
    if relation.head.kind == RelationKind::Partitioned {
        differences.push(IncompatibleChange::Partitioned);
    }
    let missing = wanted.columns.iter().filter(|column| !has_column(relation, column));
    differences.extend(missing.map(|column| IncompatibleChange::Missing { column: column.name.clone() }));
    differences.extend(changes(wanted, relation, owned));
    differences
}
