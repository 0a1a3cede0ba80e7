//! Writes the statements that carry out a plan; pure.
//!
//! Names are quoted, texts are literals, and types are those that the server has printed.

mod column;
mod index;
mod key;
mod names;
mod steps;
mod values;

use crate::{
    catalog::{AS_LOGIN, AS_ROLE, CatalogColumn, ColumnDetail, Place},
    identifier::{Identifier, literal, quote, split_qualified},
    plan::{Change, Plan, ResolvedTable},
    types::ResolvedColumn,
};
pub use column::{PROBED, probe};
use column::{definition, definition_in_new_table};
use index::rename_index;
pub use index::{cancel_build, create_index, drop_statement as drop_index_statement, index_steps};
pub use key::key;
pub use names::{
    TakenNames, chosen_unique_name, key_names, not_null_name, not_null_names, sequence_name, successor_name,
    unique_names,
};
pub use steps::{cancel_validation, drop_index, not_null, unique, unique_constraint};
pub use values::{identity, serial, stored};

/// The statements of a plan, in order, to be run in one transaction.
pub fn statements(plan: &Plan) -> Vec<String> {
    let comment = plan.comment.iter().map(|text| comment(&plan.table.place, text));
    changes(plan).into_iter().chain(comment).collect()
}

/// The statements that create or alter the table, if any are needed.
pub fn changes(plan: &Plan) -> Vec<String> {
    changes_of(&plan.table, &plan.changes)
}

/// The statements of some changes. Those that can be are put into one, because each writes the table's catalog entries.
pub fn changes_of(table: &ResolvedTable, changes: &[Change]) -> Vec<String> {
    let place = &table.place;
    let (mut first, mut altered, mut added, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            Change::CancelBuild(name) => first.extend(by_login(cancel_build(place, name))),
            Change::CancelValidation(name) => first.extend(by_login(cancel_validation(place, name))),
            Change::CreateSchema => first.push(format!("CREATE SCHEMA {}", quote(&place.schema))),
            Change::CreateTable => first.push(create_table(table)),
            Change::CreateIndex(index) => last.push(create_index(place, index)),
            Change::Rename { from, to } => first.push(rename(place, from, to)),
            Change::RenameIndex { from, to } => first.push(rename_index(place, from, to)),
            Change::RenameConstraint { from, to } => first.push(rename_constraint(place, from, to)),
            Change::AddColumn(column) => added.push(format!("ADD COLUMN {}", definition(column))),
            Change::Comment { column, text } => last.push(comment_column(place, column, text)),
            Change::WidenSequence { sequence, type_, .. } => {
                last.push(format!("ALTER SEQUENCE {sequence} AS {type_}"));
            }
            other => altered.extend(alteration(other)),
        }
    }
    // Either all columns are added or none.
    let alter = |lines: Vec<String>| (!lines.is_empty()).then(|| alter_table(place, &lines));
    first.into_iter().chain(alter(altered)).chain(alter(added)).chain(last).collect()
}

/// A statement about another connection of the user that has logged in, by its own rights.
fn by_login(statement: String) -> [String; 3] {
    [AS_LOGIN.to_owned(), statement, AS_ROLE.to_owned()]
}

/// What ALTER TABLE does of a change to a column.
fn alteration(change: &Change) -> Option<String> {
    Some(match change {
        Change::Widen { column, type_, collation, .. } => {
            let collation = collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
            format!("ALTER COLUMN {column} TYPE {type_}{collation}")
        }
        Change::SetDefault { column, default } => format!("ALTER COLUMN {column} SET DEFAULT {default}"),
        Change::DropDefault { column } => format!("ALTER COLUMN {column} DROP DEFAULT"),
        Change::DropNotNull { column } => format!("ALTER COLUMN {column} DROP NOT NULL"),
        Change::SetIdentity { column, identity } => format!("ALTER COLUMN {column} SET GENERATED {identity}"),
        Change::DropConstraint { name, .. } => format!("DROP CONSTRAINT {}", quote(name)),
        Change::CancelBuild(_)
        | Change::CancelValidation(_)
        | Change::CreateSchema
        | Change::CreateTable
        | Change::CreateIndex(_)
        | Change::Rename { .. }
        | Change::RenameIndex { .. }
        | Change::RenameConstraint { .. }
        | Change::AddColumn(_)
        | Change::WidenSequence { .. }
        | Change::Comment { .. } => return None,
    })
}

/// The statement that replaces a table's comment.
pub fn comment(place: &Place, text: &str) -> String {
    format!("COMMENT ON TABLE {} IS {}", qualified(place), literal(text))
}

/// The statement that replaces a column's comment; an empty one is none.
fn comment_column(place: &Place, column: &Identifier, text: &str) -> String {
    let text = if text.is_empty() { "NULL".to_owned() } else { literal(text) };
    format!("COMMENT ON COLUMN {}.{column} IS {text}", qualified(place))
}

/// The statement that locks a table against all other use until the transaction ends.
pub fn lock_table(place: &Place) -> String {
    format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", qualified(place))
}

/// The statement that locks a table, but not its partitions, against changes of it and of its comment until the transaction ends.
/// Readers and writers go on.
pub fn lock_against_changes(place: &Place) -> String {
    format!("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", qualified(place))
}

/// The statement that drops a table, unless something depends on it: only a person may decide to lose that
/// too.
pub fn drop_table(place: &Place) -> String {
    format!("DROP TABLE {} RESTRICT", qualified(place))
}

/// The statements that give a table, as PostgreSQL prints it, another place.
pub fn move_table(from: &str, to: &Place) -> Vec<String> {
    let Some((schema, name)) = split_qualified(from) else { return Vec::new() };
    let place =
        |schema: &str| Place { schema: schema.to_owned(), name: name.clone(), qualified: String::new() };
    let moved = (schema != to.schema)
        .then(|| alter_table(&place(&schema), &[format!("SET SCHEMA {}", quote(&to.schema))]));
    let renamed = (name != to.name)
        .then(|| alter_table(&place(&to.schema), &[format!("RENAME TO {}", quote(&to.name))]));
    moved.into_iter().chain(renamed).collect()
}

/// A statement that alters a table, by one line or several.
pub fn alter_table(place: &Place, lines: &[String]) -> String {
    match lines {
        [line] => format!("ALTER TABLE {} {line}", qualified(place)),
        lines => format!("ALTER TABLE {}\n  {}", qualified(place), lines.join(",\n  ")),
    }
}

/// The statement that renames a column.
pub fn rename(place: &Place, from: &str, to: &Identifier) -> String {
    alter_table(place, &[format!("RENAME COLUMN {} TO {to}", quote(from))])
}

/// The statement that renames a constraint.
fn rename_constraint(place: &Place, from: &str, to: &str) -> String {
    alter_table(place, &[format!("RENAME CONSTRAINT {} TO {}", quote(from), quote(to))])
}

/// The statement that adds a column.
pub fn add_column(place: &Place, column: &ResolvedColumn) -> String {
    alter_table(place, &[format!("ADD COLUMN {}", definition(column))])
}

/// The statement that drops a column.
pub fn drop_column(place: &Place, name: &str) -> String {
    alter_table(place, &[format!("DROP COLUMN {}", quote(name))])
}

/// The statement that adds a computed column of somebody's again.
pub fn add_computed(place: &Place, found: &CatalogColumn, detail: &ColumnDetail) -> String {
    let collation = detail.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
    let expression = detail.expression.as_deref().unwrap_or_default();
    let not_null = if detail.not_null { " NOT NULL" } else { "" };
    let (name, type_, way) = (quote(&found.name), &found.type_name, found.generated);
    let line =
        format!("ADD COLUMN {name} {type_}{collation} GENERATED ALWAYS AS ({expression}) {way}{not_null}");
    alter_table(place, &[line])
}

fn create_table(table: &ResolvedTable) -> String {
    let mut lines: Vec<_> = table.columns.iter().map(definition_in_new_table).collect();
    if !table.primary_key.is_empty() {
        lines.push(primary_key(&table.primary_key));
    }
    format!("CREATE TABLE {} (\n  {}\n)", qualified(&table.place), lines.join(",\n  "))
}

/// A primary key, as in a definition.
pub fn primary_key(columns: &[Identifier]) -> String {
    let columns: Vec<_> = columns.iter().map(Identifier::to_string).collect();
    format!("PRIMARY KEY ({})", columns.join(", "))
}

fn qualified(place: &Place) -> String {
    format!("{}.{}", quote(&place.schema), quote(&place.name))
}

#[cfg(test)]
mod tests;
