//! From a plan to the statements that carry it out; pure.
//!
//! Every name is quoted, every text is a literal, and every type is what the server printed for it.

use crate::{
    catalog::Place,
    identifier::{Identifier, literal, quote},
    plan::{Action, Plan, Wanted},
    types::ResolvedColumn,
};

/// The statements of a plan, in their order; to be run in one transaction.
pub fn statements(plan: &Plan) -> Vec<String> {
    let place = &plan.table.place;
    let change = match &plan.action {
        Action::Create => Some(create(&plan.table)),
        Action::AddColumns(columns) => Some(add(place, columns)),
        Action::Nothing => None,
    };
    change.into_iter().chain(plan.comment.iter().map(|text| comment(place, text))).collect()
}

/// The statement that keeps everyone else out of a table until the transaction ends.
pub fn lock(place: &Place) -> String {
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", quoted(place))
}

/// The statement that drops a table. What depends on it stops it: only a person may decide to lose that, too.
pub fn drop(place: &Place) -> String {
    format!("DROP TABLE {} RESTRICT", quoted(place))
}

fn create(wanted: &Wanted) -> String {
    let mut lines: Vec<_> = wanted.columns.iter().map(column).collect();
    if !wanted.primary_key.is_empty() {
        let key: Vec<_> = wanted.primary_key.iter().map(Identifier::to_string).collect();
        lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n  {}\n)", quoted(&wanted.place), lines.join(",\n  "))
}

/// One statement for all columns: a bad one takes the others back.
fn add(place: &Place, columns: &[ResolvedColumn]) -> String {
    let lines: Vec<_> = columns.iter().map(|added| format!("ADD COLUMN {}", column(added))).collect();
    format!("ALTER TABLE {}\n  {}", quoted(place), lines.join(",\n  "))
}

fn comment(place: &Place, text: &str) -> String {
    format!("COMMENT ON TABLE {} IS {}", quoted(place), literal(text))
}

fn column(column: &ResolvedColumn) -> String {
    format!("{} {}", column.name, column.type_.sql())
}

fn quoted(place: &Place) -> String {
    format!("{}.{}", quote(&place.schema), quote(&place.name))
}

#[cfg(test)]
mod tests;
