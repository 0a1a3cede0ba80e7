//! Steps that give a table the primary key which it lacks, while others read and write.

use super::{
    alter_table, index::drop_invalid, index::drop_statement, key_names, not_null, primary_key, qualified,
};
use crate::{
    catalog::{CatalogIndex, ColumnDetail, Details, FoundIndexes, Place},
    identifier::{Identifier, quote},
    plan::{Obstacle, Step, StepKind},
};

/// The steps: its columns become NOT NULL, an index is built, and becomes the key.
///
/// What an interrupted attempt has left is found by the name of the index: it is used, or built again.
pub fn key(place: &Place, columns: &[Identifier], details: &Details, found: &FoundIndexes) -> Vec<Step> {
    let what = primary_key(columns);
    let (name, left) = chosen_name(place, columns, found);
    let of_columns = columns.iter().flat_map(|column| not_null_of(place, column, details));
    let index = match left {
        Some(CatalogIndex { is_valid: true, .. }) => Vec::new(),
        Some(_) => vec![drop_invalid(place, &name), built(place, columns, &name)],
        None => vec![built(place, columns, &name)],
    };
    let quoted = quote(&name);
    let line = format!("ADD CONSTRAINT {quoted} PRIMARY KEY USING INDEX {quoted}");
    let constraint = Step {
        what: String::new(),
        query: None,
        statements: vec![alter_table(place, &[line])],
        kind: StepKind::Transaction,
        undo: None,
        obstacle: None,
    };
    let steps = of_columns.chain(index).chain([constraint]);
    steps.map(|step| Step { what: what.clone(), ..step }).collect()
}

/// The steps that make a column of the key NOT NULL, if it isn't.
fn not_null_of(place: &Place, column: &Identifier, details: &Details) -> Vec<Step> {
    let unknown = ColumnDetail::default();
    let detail = details.columns.get(column.as_str()).unwrap_or(&unknown);
    if detail.not_null && detail.unproven.is_none() {
        return Vec::new();
    }
    let query = format!("SELECT * FROM {} WHERE {column} IS NULL", qualified(place));
    let obstacle = Obstacle::KeyNulls { column: column.clone(), query };
    let steps = not_null(place, column, details, detail).into_iter();
    steps.map(|step| Step { obstacle: Some(obstacle.clone()), ..step }).collect()
}

fn built(place: &Place, columns: &[Identifier], name: &str) -> Step {
    let (table, list) = (qualified(place), list(columns));
    let query = format!("SELECT {list}, count(*) FROM {table} GROUP BY {list} HAVING count(*) > 1");
    Step {
        what: String::new(),
        query: None,
        statements: vec![format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {table} ({list})", quote(name))],
        kind: StepKind::Alone,
        undo: Some(drop_statement(place, name)),
        obstacle: Some(Obstacle::KeyDuplicates { columns: columns.to_vec(), query }),
    }
}

/// The name for the index, and the index that has it, if that is one for this key: a name that something else has isn't used.
fn chosen_name<'f>(
    place: &Place,
    columns: &[Identifier],
    found: &'f FoundIndexes,
) -> (String, Option<&'f CatalogIndex>) {
    let is_for_key = |index: &CatalogIndex| {
        let names = columns.iter().map(Identifier::as_str);
        let is_same = names.eq(index.columns.iter().map(String::as_str));
        is_same && index.unique && index.is_plain && !index.is_of_constraint
    };
    let [first, second] = key_names(&place.name);
    let here = |name: &str| found.present.iter().find(|index| index.name == *name);
    let is_taken = found.taken.iter().any(|(taken, _)| *taken == first);
    let name = if is_taken || here(&first).is_some_and(|index| !is_for_key(index)) { second } else { first };
    let left = here(&name).filter(|index| is_for_key(index));
    (name, left)
}

fn list(columns: &[Identifier]) -> String {
    columns.iter().map(Identifier::to_string).collect::<Vec<_>>().join(", ")
}
