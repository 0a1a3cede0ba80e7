//! Statements and steps about indexes.

use super::qualified;
use crate::{
    catalog::Place,
    identifier::{literal, quote},
    plan::{IndexStep, Obstacle, Step, StepKind},
    spec::Index,
};

/// The statement that creates an index with its table, in the same transaction.
pub fn create_index(table: &Place, index: &Index) -> String {
    create(table, index.name.as_str(), index, "")
}

/// The steps that lead to the indexes of a spec, while others read and write.
pub fn index_steps(table: &Place, steps: &[IndexStep]) -> Vec<Step> {
    steps.iter().map(|planned| step(table, planned)).collect()
}

fn step(table: &Place, planned: &IndexStep) -> Step {
    match planned {
        IndexStep::Drop(name) => {
            alone(format!("the drop of index {}", quote(name)), drop_statement(table, name))
        }
        IndexStep::DropInvalid(name) => drop_invalid(table, name),
        IndexStep::Build { name, index } => Step {
            // If it was rows that kept it from being unique, they would still, though it isn't valid.
            undo: Some(drop_statement(table, name)),
            obstacle: Some(Obstacle::IndexDuplicates {
                index: index.name.clone(),
                query: duplicates(table, index),
            }),
            ..alone(format!("index {}", index.name), create(table, name, index, "CONCURRENTLY "))
        },
        IndexStep::Swap { name, successor } => Step {
            statements: swap(table, name, successor),
            kind: StepKind::Transaction,
            ..alone(format!("index {}", quote(name)), String::new())
        },
    }
}

fn alone(what: String, statement: String) -> Step {
    Step { what, query: None, statements: vec![statement], kind: StepKind::Alone, undo: None, obstacle: None }
}

/// The step that drops what is left of an index, unless it has become valid meanwhile.
pub(super) fn drop_invalid(table: &Place, name: &str) -> Step {
    let query = format!(
        "SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid = pg_catalog.to_regclass({}) AND i.indisvalid",
        literal(&beside(table, name))
    );
    let what = format!("the drop of index {}, which isn't valid", quote(name));
    Step { query: Some(query), ..alone(what, drop_statement(table, name)) }
}

/// The statement that builds an index under a name.
fn create(table: &Place, name: &str, index: &Index, concurrently: &str) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let (name, method, columns) = (quote(name), index.method, index.column_list());
    format!("CREATE {unique}INDEX {concurrently}{name} ON {} USING {method} ({columns})", qualified(table))
}

/// The query that finds the rows which keep an index from being unique. NULL is different each time.
fn duplicates(table: &Place, index: &Index) -> String {
    let (columns, table) = (index.column_list(), qualified(table));
    let values: Vec<_> = index.columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    format!(
        "SELECT {columns}, count(*) FROM {table} WHERE {} GROUP BY {columns} HAVING count(*) > 1",
        values.join(" AND ")
    )
}

/// The statement that drops an index. Somebody may have dropped it meanwhile. Without CASCADE: a foreign key may need it.
pub fn drop_statement(table: &Place, name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {}", beside(table, name))
}

/// The statement that ends the build of an index, if it is this user's.
pub fn cancel_build(table: &Place, name: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_cancel_backend(p.pid) FROM pg_catalog.pg_stat_progress_create_index p \
         WHERE p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
         AND p.index_relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})",
        literal(&beside(table, name))
    )
}

fn swap(table: &Place, name: &str, successor: &str) -> Vec<String> {
    let between = format!("{successor}_");
    let rename = |from: &str, to: &str| rename_index(table, from, to);
    vec![rename(name, &between), rename(successor, name), rename(&between, successor)]
}

/// The statement that renames an index, and the constraint that it is for.
pub(super) fn rename_index(table: &Place, from: &str, to: &str) -> String {
    format!("ALTER INDEX {} RENAME TO {}", beside(table, from), quote(to))
}

/// The qualified name of something in the table's schema.
fn beside(table: &Place, name: &str) -> String {
    format!("{}.{}", quote(&table.schema), quote(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identifier::Identifier, spec::Method};

    fn index(unique: bool, method: Method) -> Index {
        let columns = ["a", "\"B \"\"c\"\"\""].map(|name| Identifier::parse(name).unwrap()).into();
        Index { name: Identifier::parse("By_A").unwrap(), columns, unique, method }
    }

    #[test]
    fn an_index_is_created_with_its_table_and_built_beside_its_use() {
        let table = Place { schema: "My \"S\"".into(), name: "user".into(), qualified: String::new() };
        assert_eq!(
            create_index(&table, &index(true, Method::Btree)),
            "CREATE UNIQUE INDEX \"by_a\" ON \"My \"\"S\"\"\".\"user\" USING btree (\"a\", \"B \"\"c\"\"\")"
        );
        assert_eq!(
            cancel_build(&table, "it's"),
            "SELECT pg_catalog.pg_cancel_backend(p.pid) FROM pg_catalog.pg_stat_progress_create_index p \
             WHERE p.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
             AND p.index_relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('\"My \"\"S\"\"\".\"it''s\"')"
        );
        let name = "it's".to_owned();
        for (planned, what, expected) in [
            (
                IndexStep::Build { name: name.clone(), index: index(false, Method::Gin) },
                "index \"by_a\"",
                vec![
                    "CREATE INDEX CONCURRENTLY \"it's\" ON \"My \"\"S\"\"\".\"user\" USING gin (\"a\", \"B \"\"c\"\"\")",
                ],
            ),
            (
                IndexStep::Drop(name.clone()),
                "the drop of index \"it's\"",
                vec!["DROP INDEX CONCURRENTLY IF EXISTS \"My \"\"S\"\"\".\"it's\""],
            ),
            (
                IndexStep::Swap { name, successor: "next".into() },
                "index \"it's\"",
                vec![
                    "ALTER INDEX \"My \"\"S\"\"\".\"it's\" RENAME TO \"next_\"",
                    "ALTER INDEX \"My \"\"S\"\"\".\"next\" RENAME TO \"it's\"",
                    "ALTER INDEX \"My \"\"S\"\"\".\"next_\" RENAME TO \"next\"",
                ],
            ),
        ] {
            let step = step(&table, &planned);
            assert_eq!(
                (step.what.as_str(), step.statements),
                (what, expected.iter().map(ToString::to_string).collect())
            );
        }
    }
}
