//! Writes the statements that carry out a plan; pure.
//!
//! Names are quoted, texts are literals, and types are those that the server has printed.

use crate::{
    catalog::Place,
    identifier::{Identifier, literal, quote},
    plan::{Action, Plan, ResolvedTable},
    types::ResolvedColumn,
};

/// The statements of a plan, in order, to be run in one transaction.
pub fn statements(plan: &Plan) -> Vec<String> {
    let comment = plan.comment.iter().map(|text| comment(&plan.table.place, text));
    change(plan).into_iter().chain(comment).collect()
}

/// The statement that creates or alters the table, if one is needed.
pub fn change(plan: &Plan) -> Option<String> {
    match &plan.action {
        Action::Create => Some(create_table(&plan.table)),
        Action::AddColumns(columns) => Some(add_columns(&plan.table.place, columns)),
        Action::Nothing => None,
    }
}

/// The statement that replaces a table's comment.
pub fn comment(place: &Place, text: &str) -> String {
    format!("COMMENT ON TABLE {} IS {}", qualified(place), literal(text))
}

/// The statement that locks a table against all other use until the transaction ends.
pub fn lock_table(place: &Place) -> String {
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", qualified(place))
}

/// The statement that drops a table, unless something depends on it: only a person may decide to lose that
/// too.
pub fn drop_table(place: &Place) -> String {
    format!("DROP TABLE {} RESTRICT", qualified(place))
}

fn create_table(table: &ResolvedTable) -> String {
    let mut lines: Vec<_> = table.columns.iter().map(definition).collect();
    if !table.primary_key.is_empty() {
        let key: Vec<_> = table.primary_key.iter().map(Identifier::to_string).collect();
        lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n  {}\n)", qualified(&table.place), lines.join(",\n  "))
}

/// One statement for all columns, so that either all are added or none.
fn add_columns(place: &Place, columns: &[ResolvedColumn]) -> String {
    let lines: Vec<_> = columns.iter().map(|added| format!("ADD COLUMN {}", definition(added))).collect();
    format!("ALTER TABLE {}\n  {}", qualified(place), lines.join(",\n  "))
}

fn definition(column: &ResolvedColumn) -> String {
    format!("{} {}", column.name, column.type_.sql())
}

fn qualified(place: &Place) -> String {
    format!("{}.{}", quote(&place.schema), quote(&place.name))
}

#[cfg(test)]
mod tests;
