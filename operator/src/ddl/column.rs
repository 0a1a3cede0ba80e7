//! Definition of a column.

use crate::{
    spec::{DefaultValue, Values},
    types::ResolvedColumn,
};

/// The name of a column whose own doesn't matter.
pub const PROBED: &str = "korf_probed";

/// The definition of a column that is added to a table: an index over rows of before is built apart.
pub(super) fn definition(column: &ResolvedColumn) -> String {
    let not_null = if column.settings.nullable == Some(false) { " NOT NULL" } else { "" };
    format!("{}{not_null}", values(column))
}

/// The definition of a column in a table without rows. The server chooses a name that is free for its constraint.
pub(super) fn definition_in_new_table(column: &ResolvedColumn) -> String {
    let unique = if column.settings.unique { " UNIQUE" } else { "" };
    format!("{}{unique}", definition(column))
}

/// The columns of a table of which the server tells its form of a column, and the name that this one has there. An expression can
/// name any column that isn't generated itself. All else is the same whatever the column's name is, and is asked once.
pub fn probe(columns: &[ResolvedColumn], column: &ResolvedColumn) -> (String, String) {
    if !matches!(column.settings.values, Values::Generated(_)) {
        return (values_of(PROBED, column), PROBED.to_owned());
    }
    let others = columns.iter().filter(|other| !matches!(other.settings.values, Values::Generated(_)));
    let others = others.map(|other| format!("{} {}", other.name, other.type_.name));
    (others.chain([values(column)]).collect::<Vec<_>>().join(", "), column.name.as_str().to_owned())
}

/// A column with its type, and where its values come from.
fn values(column: &ResolvedColumn) -> String {
    values_of(&column.name.to_string(), column)
}

/// The same under another name, quoted where necessary.
fn values_of(name: &str, column: &ResolvedColumn) -> String {
    let mut text = format!("{name} {}", column.type_.sql());
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
