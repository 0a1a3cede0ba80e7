//! Adoption of tables that have no owner; pure.
//!
//! A table without an owner's line may be anybody's. There are two ways in which it becomes an object's: its author says so
//! (`adoptionPolicy`), or it is as an operator without such lines has made it for the object. In neither is anything changed
//! but the comment, so a table that was taken by mistake is as it was.

use super::{Change, Claim, Plan, PlanError, ResolvedTable, columns::Differences, compare, pending, update};
use crate::{
    catalog::{Relation, RelationKind},
    marker::FromSpec,
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
    let (differences, pending) = differences(&wanted, relation, claim.columns.clone());
    if !differences.is_empty() {
        return Err(PlanError::NotAdopted { table, differences, pending });
    }
    let comment = claim.owner.mark_comment(relation.head.comment.as_deref(), &wanted.from_spec());
    let plan = update(wanted, relation, &claim.owner, &claim)?;
    Ok(Plan { comment: Some(comment), takes_over: true, adopts: true, ..plan })
}

/// What tells a table without an owner from the one that an operator without lines has made by this spec, in words; empty if
/// nothing does. It made it all, so there are no other columns.
pub fn strangeness(former: &ResolvedTable, relation: &Relation) -> Vec<String> {
    let all = relation.columns.iter().map(|column| column.name.clone()).collect();
    differences(former, relation, all).0
}

/// What would have to change in a table so that it is the one wanted, in words, and the statements that would do it. `owned` are
/// its columns that came from the spec.
fn differences(
    wanted: &ResolvedTable,
    relation: &Relation,
    owned: BTreeSet<String>,
) -> (Vec<String>, Vec<String>) {
    let (_, Differences { changes, steps, refused }) = compare(wanted, relation, FromSpec::of_columns(owned));
    let partitioned =
        (relation.head.kind == RelationKind::Partitioned).then(|| "the table is partitioned".to_owned());
    let missing = |change: &Change| match change {
        Change::AddColumn(column) => format!("column {} is in the spec but not in the table", column.name),
        other => other.to_string(),
    };
    let mut later: Vec<_> = steps.iter().map(|step| step.what.clone()).collect();
    later.dedup();
    let words = partitioned.into_iter().chain(changes.iter().map(missing));
    let words = words.chain(refused.iter().map(|(change, _)| change.to_string())).chain(later).collect();
    (words, pending(wanted, &refused, &changes, &steps))
}
