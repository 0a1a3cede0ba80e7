//! From a plan to the statements that carry it out; pure.
//!
//! Every name is quoted, every text is a literal, and every type is what the server printed for it.

use crate::catalog::Place;
use crate::identifier::{Identifier, literal, quote};
use crate::marker::Owner;
use crate::plan::{Plan, Wanted};
use crate::types::ResolvedColumn;

/// The statements of a plan, in their order; to be run in one transaction.
#[must_use]
pub fn statements(plan: &Plan, wanted: &Wanted, owner: &Owner) -> Vec<String> {
    match plan {
        Plan::Create => vec![create(wanted), comment(&wanted.place, &owner.mark(None))],
        Plan::Add(columns) => vec![add(&wanted.place, columns)],
        Plan::Nothing => Vec::new(),
    }
}

/// The statement that gives a table with this comment to the present owner.
#[must_use]
pub fn take_over(place: &Place, owner: &Owner, commented: Option<&str>) -> String {
    comment(place, &owner.mark(commented))
}

/// The statement that keeps everyone else out of a table until the transaction ends.
#[must_use]
pub fn lock(place: &Place) -> String {
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", qualified(place))
}

/// The statement that drops a table. What depends on it stops it: only a person may decide to lose that, too.
#[must_use]
pub fn drop(place: &Place) -> String {
    format!("DROP TABLE {} RESTRICT", qualified(place))
}

fn create(wanted: &Wanted) -> String {
    let mut lines: Vec<_> = wanted.columns.iter().map(column).collect();
    if !wanted.primary_key.is_empty() {
        let key: Vec<_> = wanted.primary_key.iter().map(Identifier::to_string).collect();
        lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n  {}\n)", qualified(&wanted.place), lines.join(",\n  "))
}

/// One statement for all columns: a bad one takes the others back.
fn add(place: &Place, columns: &[ResolvedColumn]) -> String {
    let lines: Vec<_> = columns.iter().map(|added| format!("ADD COLUMN {}", column(added))).collect();
    format!("ALTER TABLE {}\n  {}", qualified(place), lines.join(",\n  "))
}

fn comment(place: &Place, text: &str) -> String {
    format!("COMMENT ON TABLE {} IS {}", qualified(place), literal(text))
}

fn column(column: &ResolvedColumn) -> String {
    format!("{} {}", column.name, column.type_.ddl())
}

fn qualified(place: &Place) -> String {
    format!("{}.{}", quote(&place.schema), quote(&place.name))
}

#[cfg(test)]
mod tests;
