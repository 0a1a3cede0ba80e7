//! Steps behind a change: what takes long, because all rows are looked at, and must not hold others up.

use super::{TakenNames, alter_table, chosen_unique_name, index::drop_statement, not_null_names, qualified};
use crate::{
    catalog::{ColumnDetail, Details, Place},
    identifier::{Identifier, literal, quote},
    plan::{Obstacle, Step, StepKind},
};

/// The steps that make a column NOT NULL. Rows of before are looked at while others read and write.
///
/// <https://www.postgresql.org/docs/current/sql-altertable.html>, SET NOT NULL: it looks at no row if a valid check says
/// that none is NULL.
pub fn not_null(place: &Place, column: &Identifier, details: &Details, detail: &ColumnDetail) -> Vec<Step> {
    let names = not_null_names(column.as_str());
    let is_free = |name: &&String| !details.not_nulls.contains(*name);
    let name =
        detail.unproven.clone().unwrap_or_else(|| names.iter().find(is_free).unwrap_or(&names[0]).clone());
    let quoted = quote(&name);
    let alter = |line: String| alter_table(place, &[line]);
    let validated = validated(place, &name);
    let (is_there, constraint) = if details.has_native_not_null {
        (detail.unproven.is_some(), format!("NOT NULL {column} NOT VALID"))
    } else {
        (details.checks.contains(&name), format!("CHECK ({column} IS NOT NULL) NOT VALID"))
    };
    let obstacle = Some(Obstacle::Nulls { column: column.clone() });
    let step = |statements: Vec<String>| Step {
        what: format!("NOT NULL of column {column}"),
        query: None,
        statements,
        kind: StepKind::Transaction,
        undo: None,
        obstacle: obstacle.clone(),
    };
    let query = format!("SELECT FROM {} WHERE {column} IS NULL LIMIT 1", qualified(place));
    // A check of this name is one of before the server got its present version.
    let dropped = details.has_native_not_null && details.checks.contains(&name);
    let dropped = dropped.then(|| alter(format!("DROP CONSTRAINT {quoted}")));
    let added = (!is_there).then(|| alter(format!("ADD CONSTRAINT {quoted} {constraint}")));
    let added = dropped.into_iter().chain(added).collect();
    // Somebody's own is left to them.
    let undo = names.contains(&name).then(|| alter(format!("DROP CONSTRAINT {quoted}")));
    let mut steps = vec![
        Step { query: Some(query), undo: undo.clone().filter(|_| is_there), ..step(added) },
        Step { undo, ..step(vec![validated]) },
    ];
    if !details.has_native_not_null {
        // Two statements: in one, the server would drop the check first, and look at all rows again.
        steps.push(step(vec![
            alter(format!("ALTER COLUMN {column} SET NOT NULL")),
            alter(format!("DROP CONSTRAINT {quoted}")),
        ]));
    }
    steps
}

/// The statement that looks at all rows for a constraint.
fn validated(place: &Place, name: &str) -> String {
    alter_table(place, &[format!("VALIDATE CONSTRAINT {}", quote(name))])
}

/// The statement that ends the validation of a constraint, if it is this user's: it goes on although nobody waits for it.
pub fn cancel_validation(place: &Place, name: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
         WHERE a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND a.usename OPERATOR(pg_catalog.=) session_user \
         AND pg_catalog.pg_has_role(a.usename, 'USAGE') AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
         AND a.state OPERATOR(pg_catalog.=) 'active' AND a.query OPERATOR(pg_catalog.=) {}",
        literal(&validated(place, name))
    )
}

/// The steps that make a column UNIQUE: an index is built while others read and write, and becomes a constraint.
pub fn unique(place: &Place, column: &Identifier, detail: &ColumnDetail, taken: &TakenNames) -> Vec<Step> {
    let name = chosen_unique_name(&place.name, column.as_str(), &detail.unique, taken);
    let is_left = detail.unique.iter().any(|index| index.name == name && !index.is_valid);
    let build =
        format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({column})", quote(&name), qualified(place));
    let constraint = unique_constraint(place, column, &name);
    let built = Step {
        statements: vec![build],
        kind: StepKind::Alone,
        undo: Some(drop_statement(place, &name)),
        ..constraint.clone()
    };
    let dropped = is_left.then(|| drop_index(place, column, &name));
    dropped.into_iter().chain([built, constraint]).collect()
}

/// The step that makes a constraint of the index that was built for it.
pub fn unique_constraint(place: &Place, column: &Identifier, name: &str) -> Step {
    let (name, table) = (quote(name), qualified(place));
    let query = format!(
        "SELECT {column}, count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1"
    );
    Step {
        what: format!("UNIQUE of column {column}"),
        query: None,
        statements: vec![alter_table(place, &[format!("ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")])],
        kind: StepKind::Transaction,
        undo: None,
        obstacle: Some(Obstacle::Duplicates { column: column.clone(), query }),
    }
}

/// The step that drops an index while others read and write.
pub fn drop_index(place: &Place, column: &Identifier, name: &str) -> Step {
    Step {
        what: format!("index {} of column {column}", quote(name)),
        query: None,
        statements: vec![drop_statement(place, name)],
        kind: StepKind::Alone,
        undo: None,
        obstacle: None,
    }
}
