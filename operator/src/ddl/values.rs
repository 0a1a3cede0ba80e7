//! Statements for people, by which a column gets its values from elsewhere. Rows that are there keep theirs.

use super::{alter_table, qualified, sequence_name};
use crate::{
    catalog::Place,
    identifier::{Identifier, literal, quote},
    spec::Identity,
    types::ResolvedColumn,
};

/// The name of a column in between.
const BETWEEN: &str = "korf_values";

/// The statements that give a column the sequence of a `serial` one. It has one as soon as it owns it, so that comes last.
pub fn serial(place: &Place, column: &ResolvedColumn) -> Vec<String> {
    let (table, name) = (qualified(place), &column.name);
    let sequence = format!("{}.{}", quote(&place.schema), quote(&sequence_name(&place.name, name.as_str())));
    vec![
        format!("CREATE SEQUENCE {sequence} AS {}", column.type_.name),
        begin_behind(place, name, &literal(&sequence)),
        alter_table(place, &[format!("ALTER COLUMN {name} SET NOT NULL")]),
        alter_table(place, &[format!("ALTER COLUMN {name} SET DEFAULT nextval({})", literal(&sequence))]),
        format!("ALTER SEQUENCE {sequence} OWNED BY {table}.{name}"),
    ]
}

/// The statements that make a column an identity column, which has no default of its own.
pub fn identity(place: &Place, column: &ResolvedColumn, identity: Identity, is_bare: bool) -> Vec<String> {
    let name = &column.name;
    let alter = |what: &str| format!("ALTER COLUMN {name} {what}");
    let dropped = (!is_bare).then(|| alter("DROP DEFAULT"));
    let made = [alter("SET NOT NULL"), alter(&format!("ADD GENERATED {identity} AS IDENTITY"))];
    let lines: Vec<_> = dropped.into_iter().chain(made).collect();
    let sequence =
        format!("pg_get_serial_sequence({}, {})", literal(&qualified(place)), literal(name.as_str()));
    vec![alter_table(place, &lines), begin_behind(place, name, &sequence)]
}

/// The statements that give a column the values which it has had computed so far.
pub fn stored(place: &Place, column: &ResolvedColumn) -> Vec<String> {
    let (table, name) = (qualified(place), &column.name);
    vec![
        alter_table(place, &[format!("ADD COLUMN {BETWEEN} {}", column.type_.name)]),
        format!("UPDATE {table} SET {BETWEEN} = {name}::{}", column.type_.name),
        alter_table(place, &[format!("DROP COLUMN {name}")]),
        alter_table(place, &[format!("RENAME COLUMN {BETWEEN} TO {name}")]),
    ]
}

/// The statement that lets a column's sequence begin behind the values that are there.
fn begin_behind(place: &Place, column: &Identifier, sequence: &str) -> String {
    let table = qualified(place);
    format!("SELECT setval({sequence}, GREATEST(max({column}), 0) + 1, false) FROM {table}")
}
