//! Adoption of tables that have no owner; pure.
//!
//! A table without an owner's line may be anybody's. There are three ways in which it becomes an object's: its author says so
//! (`adoptionPolicy`), it is as an operator without such lines has made it for the object, or it was the object's before and has
//! lost the line. In none is anything changed but the comment, so a table that was taken by mistake is as it was.

use super::{
    Change, Claim, Found, Plan, PlanError, ResolvedTable, Step, changed_key, check_database, columns,
    columns::Differences, pending, update,
};
use crate::{
    catalog::{FoundIndexes, Head, Relation, RelationKind},
    marker::FromSpec,
    outcome::Adoption,
    spec::{AdoptionPolicy, DriftPolicy},
};
use std::collections::BTreeSet;

/// Plans what becomes of a table that has no owner, as the object's policy says.
///
/// Columns that the spec doesn't have are left alone, as always: who imports a table step by step begins with some. Indexes that
/// the spec has become the object's.
pub(super) fn adopt(
    wanted: ResolvedTable,
    found: &Found,
    relation: &Relation,
    claim: &Claim,
) -> Result<Plan, PlanError> {
    // A copy of the table, restored without its comment, say.
    check_database(claim)?;
    let table = wanted.place.qualified.clone();
    let is_lost = claim.has_lost(&relation.head, &table);
    let adoption = match (claim.adoption, claim.drift) {
        (_, DriftPolicy::Repair) if is_lost => Adoption::LineLost,
        (AdoptionPolicy::IfCompatible, _) => Adoption::ByPolicy,
        (AdoptionPolicy::Never, _) if is_lost => {
            return Err(PlanError::LineLost { table, differences: Vec::new(), pending: Vec::new() });
        }
        (AdoptionPolicy::Never, _) => return Err(PlanError::Unmarked { table }),
    };
    // Unless this one has lost its line, what the object had before was another table.
    let lost = claim.table.as_ref() == Some(&table);
    let claim =
        Claim { columns: if lost { claim.columns.clone() } else { BTreeSet::new() }, ..claim.clone() };
    let (owner, present) = (&claim.owner, relation.head.comment.as_deref());
    let comment = owner.mark_comment(present, &wanted.from_spec());
    // It is compared as though it were the object's already.
    let owned =
        FromSpec { indexes: wanted.from_spec().indexes, ..FromSpec::of_columns(claim.columns.clone()) };
    let line = Some(owner.mark_comment(present, &owned));
    let marked = Relation { head: Head { comment: line, ..relation.head.clone() }, ..relation.clone() };
    let partitioned = is_partitioned(relation);
    let (differences, pending) = match update(wanted, found, &marked, owner, &claim) {
        Ok(plan) if is_as_it_was(&plan, adoption) && partitioned.is_none() => {
            return Ok(Plan { comment: Some(comment), takes_over: true, adoption: Some(adoption), ..plan });
        }
        Ok(plan) => (
            partitioned.into_iter().chain(in_words(&plan.changes, &plan.steps)).collect(),
            pending(&plan.table, &[], &plan.changes, &plan.steps),
        ),
        Err(PlanError::Incompatible { changes, pending, .. }) => {
            (changes.iter().map(ToString::to_string).collect(), pending)
        }
        Err(other) => return Err(other),
    };
    Err(match adoption {
        Adoption::LineLost => PlanError::LineLost { table, differences, pending },
        _ => PlanError::NotAdopted { table, differences, pending },
    })
}

/// Whether nothing has to be changed. What has taken the line away may have taken the comments of columns, too.
fn is_as_it_was(plan: &Plan, adoption: Adoption) -> bool {
    let is_comment = |change: &Change| matches!(change, Change::Comment { .. });
    let is_left = plan.changes.iter().all(|change| adoption == Adoption::LineLost && is_comment(change));
    is_left && plan.steps.is_empty()
}

/// What tells a table without an owner from the one that an operator without lines has made by this spec, in words; empty if
/// nothing does. It made it all, so there are no other columns.
pub fn strangeness(former: &ResolvedTable, relation: &Relation) -> Vec<String> {
    let all = relation.columns.iter().map(|column| column.name.clone()).collect();
    let Differences { changes, steps, refused, .. } =
        columns::compare(former, relation, &FromSpec::of_columns(all), &FoundIndexes::default());
    let refused = refused.into_iter().chain(changed_key(former, relation.key.as_ref(), true));
    let refused = refused.map(|(change, _)| change.to_string());
    is_partitioned(relation).into_iter().chain(in_words(&changes, &steps)).chain(refused).collect()
}

fn is_partitioned(relation: &Relation) -> Option<String> {
    (relation.head.kind == RelationKind::Partitioned).then(|| "the table is partitioned".to_owned())
}

/// What would be changed, as a difference.
fn in_words(changes: &[Change], steps: &[Step]) -> Vec<String> {
    let change = |change: &Change| match change {
        Change::AddColumn(column) => format!("column {} is in the spec but not in the table", column.name),
        Change::Widen { column, from, type_, .. } => {
            format!("column {column} has the type {from}, but {type_} in the spec")
        }
        other => other.to_string(),
    };
    let mut later: Vec<_> = steps.iter().map(|step| step.what.clone()).collect();
    later.dedup();
    changes.iter().map(change).chain(later).collect()
}
