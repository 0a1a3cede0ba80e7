//! Definition of a column.

use super::unique_name;
use crate::{
    catalog::Place,
    identifier::quote,
    spec::{DefaultValue, Values},
    types::ResolvedColumn,
};

/// The definition of a column that is added to a table: an index over rows of before is built apart.
pub(super) fn definition(column: &ResolvedColumn) -> String {
    let not_null = if column.settings.nullable == Some(false) { " NOT NULL" } else { "" };
    format!("{}{not_null}", values(column))
}

/// The definition of a column in a table without rows.
pub(super) fn definition_in_new_table(place: &Place, column: &ResolvedColumn) -> String {
    let definition = definition(column);
    if !column.settings.unique {
        return definition;
    }
    format!("{definition} CONSTRAINT {} UNIQUE", quote(&unique_name(&place.name, column.name.as_str())))
}

/// The definition of a generated column, as a statement for people has it.
pub fn generated(column: &ResolvedColumn) -> String {
    definition(column)
}

/// The columns of a table of which the server tells its form of a column. An expression can name any column that isn't
/// generated itself.
pub fn probe(columns: &[ResolvedColumn], column: &ResolvedColumn) -> String {
    if !matches!(column.settings.values, Values::Generated(_)) {
        return values(column);
    }
    let others = columns.iter().filter(|other| !matches!(other.settings.values, Values::Generated(_)));
    let others = others.map(|other| format!("{} {}", other.name, other.type_.name));
    others.chain([values(column)]).collect::<Vec<_>>().join(", ")
}

/// A column with its type, and where its values come from.
fn values(column: &ResolvedColumn) -> String {
    let mut text = format!("{} {}", column.name, column.type_.sql());
    if let Some(collation) = &column.settings.collation {
        text += &format!(" COLLATE {collation}");
    }
    match (&column.settings.values, &column.settings.default) {
        (Values::Generated(expression), _) => text += &format!(" GENERATED ALWAYS AS ({expression}) STORED"),
        (Values::Identity(identity), _) => text += &format!(" GENERATED {identity} AS IDENTITY"),
        (Values::Written, Some(default)) if *default != DefaultValue::Null => {
            text += &format!(" DEFAULT {default}");
        }
        (Values::Written, _) => {}
    }
    text
}
