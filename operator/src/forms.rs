//! The server's own form of defaults, collations and generated columns.
//!
//! The catalog has `'x'::character varying` where a spec has `'x'`. So the server is asked what it makes of a column's
//! definition, by a temporary table that is taken back, and that answer is compared with the catalog. It also tells whose
//! mistake an error is: of each column, before anything is changed. Columns of the same definition are asked for once, in all
//! tables, because each temporary table leaves dead rows in the catalog.

use crate::{
    ddl,
    identifier::Identifier,
    message,
    search_path::{OF_CATALOG, of_database},
    spec::{DefaultValue, Values},
    sqlstate,
    types::ResolvedColumn,
};
use futures::{future::join_all, join};
use postgres_types::{ToSql, Type};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio_postgres::{Client, Error};

/// What the server has made of a column's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Its default, or what it is generated from.
    pub expression: Option<String>,
    /// Its collation with the schema, if it isn't that of its type.
    pub collation: Option<String>,
}

/// A column that the server rejects, whose type it knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what} is rejected: {why}")]
pub struct RejectedColumn {
    /// The column.
    pub column: Identifier,
    /// The default, the collation, or the expression, as in a statement.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// Something that a column's definition names and the database doesn't have, or doesn't have yet: an extension may bring it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "column {column}: {what} is rejected: {why}. Create it, or the extension that has it, or change the column; it is looked for until \
     it is there"
)]
pub struct MissingPart {
    /// The column.
    pub column: Identifier,
    /// The default, the collation, or the expression, as in a statement.
    pub what: String,
    /// What is missing, in the server's words.
    pub why: String,
}

/// A failure to ask for the form of a column.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// The server rejects the column.
    #[error(transparent)]
    Rejected(#[from] RejectedColumn),
    /// The database lacks something that the column needs.
    #[error(transparent)]
    Missing(#[from] MissingPart),
    /// The connection or the server failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// The forms that the server has told, by definitions. A definition has the type as the server prints it, and nothing else
/// that changes.
#[derive(Debug, Default)]
pub struct KnownForms(Mutex<HashMap<String, Form>>);

/// The definitions that are remembered.
const MOST_KNOWN: usize = 1_000;

/// The definitions that are asked for at once. Each takes some of the locks that all of the server's transactions share.
const MOST_AT_ONCE: usize = 50;

impl KnownForms {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Form>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all. The server may print a literal otherwise since then: one of a time, if the time zone of the database has become
    /// another.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn note(&self, definition: String, form: Form) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(definition, form);
    }
}

/// Fills in the forms of those columns whose spec has something that the server may write otherwise. All are asked for at
/// once, and none where all are known.
///
/// # Errors
///
/// [`FormError::Rejected`] for the first column that no table can have.
pub async fn resolve(
    sql: &Client,
    columns: &mut [ResolvedColumn],
    known: &KnownForms,
) -> Result<(), FormError> {
    let asked: Vec<_> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| has_form(column))
        .map(|(number, column)| (number, ddl::probe(columns, column)))
        .collect();
    let (mut unknown, mut numbers): (Vec<Asked>, HashMap<String, usize>) = Default::default();
    for (number, (definition, name)) in asked {
        if let Some(form) = known.known().get(&definition) {
            columns[number].form = form.clone();
        } else if let Some(same) = numbers.get(&definition) {
            unknown[*same].columns.push(number);
        } else {
            numbers.insert(definition.clone(), unknown.len());
            unknown.push(Asked { definition, name, columns: vec![number] });
        }
    }
    for number in unknown.iter().flat_map(|asked| &asked.columns) {
        check_times(&columns[*number])?;
    }
    for asked in unknown.chunks(MOST_AT_ONCE) {
        let created = asked.iter().enumerate().map(|(table, asked)| create(sql, table, asked));
        let read = asked.iter().enumerate().map(|(table, asked)| read(sql, table, asked));
        // Going back frees the locks, too.
        let (begun, created, left, read, ended) = join!(
            sql.batch_execute(concat!("SAVEPOINT korf_form; ", of_database!())),
            join_all(created),
            sql.batch_execute(OF_CATALOG),
            join_all(read),
            sql.batch_execute("ROLLBACK TO SAVEPOINT korf_form")
        );
        begun?;
        // The first that fails, fails all that are sent behind it.
        for (asked, created) in asked.iter().zip(created) {
            created.map_err(|error| sort(error, &columns[asked.columns[0]]))?;
        }
        left?;
        for (asked, form) in asked.iter().zip(read) {
            let form = form?;
            for number in &asked.columns {
                columns[*number].form = form.clone();
            }
            known.note(asked.definition.clone(), form);
        }
        ended?;
    }
    Ok(())
}

/// A definition that the server is asked for.
struct Asked {
    /// The columns of a table.
    definition: String,
    /// The name of the one that it is about, exact.
    name: String,
    /// The numbers of the spec's columns that have it.
    columns: Vec<usize>,
}

/// Whether a spec says something of a column that the server may write otherwise.
fn has_form(column: &ResolvedColumn) -> bool {
    let settings = &column.settings;
    let has_default = settings.default.as_ref().is_some_and(|value| *value != DefaultValue::Null);
    has_default || settings.collation.is_some() || matches!(settings.values, Values::Generated(_))
}

async fn create(sql: &Client, number: usize, asked: &Asked) -> Result<u64, Error> {
    let create = format!("CREATE TEMPORARY TABLE korf_form_{number} ({})", asked.definition);
    sql.execute_typed(&create, &[]).await
}

async fn read(sql: &Client, number: usize, asked: &Asked) -> Result<Form, Error> {
    let table = format!("pg_temp.korf_form_{number}");
    let query = "SELECT (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d \
                   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum), \
                   (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation c \
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation \
                    AND c.oid <> (SELECT t.typcollation FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)) \
                 FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2";
    let name = asked.name.as_str();
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&table, Type::TEXT), (&name, Type::NAME)];
    let row = sql.query_typed_one(query, &parameters).await?;
    Ok(Form { expression: row.try_get(0)?, collation: row.try_get(1)? })
}

/// The default of a time that means the time at which it is read would be that of the table's creation.
fn check_times(column: &ResolvedColumn) -> Result<(), RejectedColumn> {
    let is_time = matches!(
        Type::from_oid(column.type_.id.oid),
        Some(Type::DATE | Type::TIME | Type::TIMETZ | Type::TIMESTAMP | Type::TIMESTAMPTZ)
    );
    match &column.settings.default {
        Some(default) if is_time && default.is_time_of_reading() => Err(RejectedColumn {
            column: column.name.clone(),
            what: format!("the default {default}"),
            why: "it would be the time at which the table was made: write now() or CURRENT_DATE for that of each row"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

fn sort(error: Error, column: &ResolvedColumn) -> FormError {
    let known = error.as_db_error();
    let missing = known.and_then(sqlstate::missing_part);
    let Some(why) = missing.or_else(|| known.and_then(sqlstate::rejected_definition)) else {
        return error.into();
    };
    let settings = &column.settings;
    let parts = [
        settings.collation.as_ref().map(|collation| format!("the collation {collation}")),
        settings.default.as_ref().map(|default| format!("the default {default}")),
        match &settings.values {
            Values::Generated(expression) => Some(format!("the expression {expression}")),
            _ => None,
        },
    ];
    let what = parts.into_iter().flatten().collect::<Vec<_>>().join(" with ");
    let why = message::one_line(&why.replace(ddl::PROBED, column.name.as_str()));
    let column = column.name.clone();
    match missing {
        Some(_) => MissingPart { column, what, why }.into(),
        None => RejectedColumn { column, what, why }.into(),
    }
}
