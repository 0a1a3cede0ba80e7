//! Queries of PostgreSQL's catalog.
//!
//! Types are read as OID and type modifier: `information_schema` loses precision, and the text of a type
//! depends on the search path. All is asked [in `pg_catalog`](crate::search_path). No query uses a named prepared statement, which a pooler in transaction mode
//! would lose.

mod column;
mod detail;
mod index;
mod key;
mod publication;
mod type_id;
mod weight;

use crate::{identifier::Identifier, marker::Owner, search_path::current_schema};
pub use column::{CatalogColumn, Generated};
pub use detail::{CHECK_PREFIX, ColumnDetail, Details, UniqueIndex, details};
use futures::try_join;
pub use index::{
    AS_LOGIN, AS_ROLE, CatalogIndex, FoundIndexes, cancel_builds, indexes, indexes_of_all, is_busy,
};
pub use key::{Key, KeyForm};
use postgres_types::{ToSql, Type};
pub use publication::{Publication, publications};
use std::collections::HashMap;
use tokio_postgres::{Client, Error, Row};
pub use type_id::PgTypeId;
pub use weight::{Weight, weight};

/// A table, or anything else in the place of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its kind, and its comment.
    pub head: Head,
    /// Its columns, in order.
    pub columns: Vec<CatalogColumn>,
    /// Its primary key.
    pub key: Option<Key>,
    /// Whether replication can tell its rows apart, by a key or as its REPLICA IDENTITY says. If not, rows of a published
    /// table can't be updated or deleted.
    pub has_identity: bool,
    /// What only some specs speak of; `None` unless it was asked for.
    pub details: Option<Details>,
}

/// The kind of a relation, and its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its row in `pg_class`.
    pub oid: u32,
    /// Its kind.
    pub kind: RelationKind,
    /// Its comment.
    pub comment: Option<String>,
    /// The role that has it, exact, unless the operator's role has the rights of that one: then it can't have made it, nor change
    /// it, and what its comment says isn't the operator's word.
    pub stranger: Option<String>,
}

impl Head {
    /// The owner according to the comment.
    pub fn owner(&self) -> Option<Owner> {
        self.comment.as_deref().and_then(Owner::from_comment)
    }

    /// Whether the comment names the owner, with any uid.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        self.owner().is_some_and(|found| found.matches(owner))
    }
}

/// The kinds of relation that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A partitioned table: a drop would take its partitions.
    Partitioned,
    /// Anything else, in words.
    Other(&'static str),
}

/// The qualified name of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The schema, exact.
    pub schema: String,
    /// The table, exact.
    pub name: String,
    /// Both as PostgreSQL prints them, quoted where necessary: `public.website_users`.
    pub qualified: String,
}

/// The lock of a qualified name until the end of the transaction.
macro_rules! lock {
    ($qualified:literal) => {
        concat!(
            "pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('database-table-operator ' || ",
            $qualified,
            ", 0))"
        )
    };
}

/// The query of what relations are. A subquery for each comment: the server plans that in half the time of a join.
macro_rules! head_of {
    ($from:literal) => {
        head_of!($from, "")
    };
    ($from:literal, $more:literal) => {
        concat!(
            "SELECT c.oid, c.relkind::text, (SELECT d.description FROM pg_catalog.pg_description d WHERE d.objoid = c.oid \
             AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0), \
             CASE WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
               THEN pg_catalog.pg_get_userbyid(c.relowner)::text END",
            $more,
            " FROM ",
            $from
        )
    };
}

/// The place of a table in a schema, or else in the connection's current one; `None` if no schema in the search path exists.
///
/// # Errors
///
/// Those of the connection.
pub async fn place(
    sql: &Client,
    schema: Option<&Identifier>,
    name: &Identifier,
) -> Result<Option<Place>, Error> {
    let query = concat!(
        "SELECT s::text, pg_catalog.format('%I.%I', s, $1) FROM COALESCE($2, ",
        current_schema!(),
        ") s WHERE s IS NOT NULL"
    );
    let schema = schema.map(Identifier::as_str);
    let row = sql.query_typed_opt(query, &[(&name.as_str(), Type::TEXT), (&schema, Type::NAME)]).await?;
    row.map(|row| read_place(&row, name.as_str())).transpose()
}

/// The place of a table in a schema, or else in the current one, with its name locked until the end of the transaction, as
/// [`lock`] does; and whether the database has event triggers that fire after changes.
///
/// # Errors
///
/// Those of the connection.
pub async fn lock_place(
    sql: &Client,
    schema: Option<&str>,
    name: &str,
) -> Result<Option<(Place, bool)>, Error> {
    let query = concat!(
        "SELECT s::text, pg_catalog.format('%I.%I', s, $1), EXISTS (SELECT FROM pg_catalog.pg_event_trigger t \
           WHERE t.evtevent = 'ddl_command_end' AND t.evtenabled <> 'D'), ",
        lock!("pg_catalog.format('%I.%I', s, $1)"),
        " FROM COALESCE($2, ",
        current_schema!(),
        ") s WHERE s IS NOT NULL"
    );
    let row = sql.query_typed_opt(query, &[(&name, Type::TEXT), (&schema, Type::NAME)]).await?;
    row.map(|row| Ok((read_place(&row, name)?, row.try_get(2)?))).transpose()
}

fn read_place(row: &Row, name: &str) -> Result<Place, Error> {
    Ok(Place { schema: row.try_get(0)?, name: name.to_owned(), qualified: row.try_get(1)? })
}

/// Locks a table's qualified name until the end of the transaction: only one may decide who owns the table.
///
/// # Errors
///
/// Those of the connection.
pub async fn lock(sql: &Client, qualified: &str) -> Result<(), Error> {
    sql.query_typed(concat!("SELECT ", lock!("$1")), &[(&qualified, Type::TEXT)]).await?;
    Ok(())
}

/// Reads what the relation of a name in a schema, or else in the current one, is, if there is one. Most often there is
/// none, or nothing else matters.
///
/// # Errors
///
/// Those of the connection.
pub async fn head(sql: &Client, schema: Option<&str>, name: &str) -> Result<Option<Head>, Error> {
    let query = concat!(
        head_of!(
            "pg_catalog.pg_class c WHERE c.relname = $2 AND c.relnamespace = \
             (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = COALESCE($1, "
        ),
        current_schema!(),
        "))"
    );
    let row = sql.query_typed_opt(query, &[(&schema, Type::NAME), (&name, Type::NAME)]).await?;
    row.map(|row| read_head(&row)).transpose()
}

/// Reads the same of many places at once; `None` for each where nothing is.
///
/// # Errors
///
/// Those of the connection.
pub async fn heads(sql: &Client, places: &[&Place]) -> Result<Vec<Option<Head>>, Error> {
    let query = head_of!(
        "unnest($1::pg_catalog.name[], $2::pg_catalog.name[]) WITH ORDINALITY w(schema, name, number) \
         JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema \
         JOIN pg_catalog.pg_class c ON c.relname = w.name AND c.relnamespace = n.oid",
        ", w.number"
    );
    let schemas: Vec<_> = places.iter().map(|place| place.schema.as_str()).collect();
    let names: Vec<_> = places.iter().map(|place| place.name.as_str()).collect();
    let rows = sql.query_typed(query, &[(&schemas, Type::NAME_ARRAY), (&names, Type::NAME_ARRAY)]).await?;
    let mut heads = vec![None; places.len()];
    for row in &rows {
        let number: i64 = row.try_get(4)?;
        let at = usize::try_from(number).ok().and_then(|number| heads.get_mut(number.checked_sub(1)?));
        if let Some(head) = at {
            *head = Some(read_head(row)?);
        }
    }
    Ok(heads)
}

fn read_head(row: &Row) -> Result<Head, Error> {
    Ok(Head {
        oid: row.try_get(0)?,
        kind: RelationKind::of(row.try_get(1)?),
        comment: row.try_get(2)?,
        stranger: row.try_get(3)?,
    })
}

/// Reads the rest of a relation, with or without its [`Details`].
///
/// # Errors
///
/// Those of the connection.
pub async fn relation(sql: &Client, head: Head, detailed: bool) -> Result<Relation, Error> {
    let oids = [head.oid];
    let detailed = if detailed { &oids[..] } else { &[] };
    Ok(Reading::of(sql, &oids, detailed, true).await?.relation(head))
}

/// Reads the rest of many relations at once, and the [`Details`] of those that are `detailed`, without waiting for a lock.
/// What can't be read so, such as the size of a table, is left out.
///
/// # Errors
///
/// Those of the connection. A relation that has been dropped meanwhile isn't one.
pub async fn relations(sql: &Client, heads: Vec<Head>, detailed: &[u32]) -> Result<Vec<Relation>, Error> {
    let oids: Vec<_> = heads.iter().map(|head| head.oid).collect();
    let mut reading = Reading::of(sql, &oids, detailed, false).await?;
    Ok(heads.into_iter().map(|head| reading.relation(head)).collect())
}

/// What was read of relations, by their OIDs.
struct Reading {
    columns: HashMap<u32, Vec<(i16, CatalogColumn)>>,
    serial: HashMap<u32, Vec<i16>>,
    keys: HashMap<u32, (Option<key::NumberedKey>, bool)>,
    details: HashMap<u32, Details>,
}

impl Reading {
    async fn of(sql: &Client, oids: &[u32], detailed: &[u32], may_wait: bool) -> Result<Self, Error> {
        let details = async {
            if detailed.is_empty() {
                return Ok(HashMap::new());
            }
            detail::read(sql, detailed, may_wait).await
        };
        let (columns, serial, keys, details) =
            try_join!(column::read(sql, oids), column::serial(sql, oids), key::read(sql, oids), details)?;
        Ok(Self { columns, serial, keys, details })
    }

    fn relation(&mut self, head: Head) -> Relation {
        let columns = self.columns.remove(&head.oid).unwrap_or_default();
        let serial = self.serial.remove(&head.oid).unwrap_or_default();
        let (key, has_identity) = self.keys.remove(&head.oid).unwrap_or_default();
        let name_of = |number: &i16| Some(columns.iter().find(|(of, _)| of == number)?.1.name.clone());
        let key = key.map(|key| Key {
            constraint: key.constraint,
            columns: key.columns.iter().filter_map(name_of).collect(),
            form: key.form,
        });
        let with_serial = |(number, column): (i16, CatalogColumn)| CatalogColumn {
            serial: serial.contains(&number),
            ..column
        };
        Relation {
            details: self.details.remove(&head.oid),
            key,
            has_identity,
            columns: columns.into_iter().map(with_serial).collect(),
            head,
        }
    }
}

/// What there is of a name that a schema may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaName {
    /// Whether a schema has it.
    pub is_schema: bool,
    /// Whether a role has it. Each role looks for what has no schema in the one of its name, at first.
    pub is_role: bool,
}

/// What has the name of a schema.
///
/// # Errors
///
/// Those of the connection.
pub async fn schema_name(sql: &Client, name: &str) -> Result<SchemaName, Error> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1), \
                   EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = $1)";
    let row = sql.query_typed_one(query, &[(&name, Type::NAME)]).await?;
    Ok(SchemaName { is_schema: row.try_get(0)?, is_role: row.try_get(1)? })
}

/// Whether there is a relation of any kind with this qualified name, as PostgreSQL prints it.
///
/// # Errors
///
/// Those of the connection.
pub async fn exists(sql: &Client, qualified: &str) -> Result<bool, Error> {
    // Not to_regclass, which parses the text and fails on some.
    let text = "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE pg_catalog.format('%I.%I', n.nspname, c.relname) = $1";
    Ok(!sql.query_typed(text, &[(&qualified, Type::TEXT)]).await?.is_empty())
}

/// How many of these qualified names, as PostgreSQL prints them, are those of relations of any kind.
///
/// # Errors
///
/// Those of the connection.
pub async fn how_many_exist(sql: &Client, qualified: &[String]) -> Result<usize, Error> {
    let text = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE pg_catalog.format('%I.%I', n.nspname, c.relname) = ANY ($1)";
    let found = sql.query_typed(text, &[(&qualified, Type::TEXT_ARRAY)]).await?;
    let count = found.first().map(|row| row.try_get::<_, i64>(0)).transpose()?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

/// The places of all tables, in any schema, whose comments name the owner; without those of [strangers](Head::stranger).
///
/// # Errors
///
/// Those of the connection.
pub async fn tables_of(sql: &Client, owner: &Owner) -> Result<Vec<Place>, Error> {
    let text = "SELECT n.nspname::text, c.relname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), d.description \
               FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 \
               AND c.relkind IN ('r', 'p') AND pg_catalog.strpos(d.description, $1) > 0 \
               AND pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1, 2";
    let rows = sql.query_typed(text, &[(&owner.needle(), Type::TEXT)]).await?;
    let ours = |row: &Row| {
        Ok::<_, Error>(Owner::from_comment(row.try_get(3)?).is_some_and(|found| found.matches(owner)))
    };
    let mut places = Vec::new();
    for row in &rows {
        if ours(row)? {
            places.push(Place { schema: row.try_get(0)?, name: row.try_get(1)?, qualified: row.try_get(2)? });
        }
    }
    Ok(places)
}

async fn of_relation(sql: &Client, query: &str, oid: u32) -> Result<Vec<Row>, Error> {
    sql.query_typed(query, &[(&oid, Type::OID)]).await
}

/// What a query of relations finds, by their OIDs, which each of its rows begins with.
async fn of_relations<T>(
    sql: &Client,
    query: &str,
    oids: &[u32],
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<HashMap<u32, Vec<T>>, Error> {
    by_relation(&rows_of(sql, query, oids, &[]).await?, read)
}

/// The rows of a query of relations: it compares their OIDs with `= ANY($1)`.
async fn rows_of(
    sql: &Client,
    query: &str,
    oids: &[u32],
    more: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    if let [oid] = oids {
        // The server plans this in four fifths of the time.
        let first: [(&(dyn ToSql + Sync), Type); 1] = [(oid, Type::OID)];
        return sql.query_typed(&query.replace("= ANY($1)", "= $1"), &[&first, more].concat()).await;
    }
    let first: [(&(dyn ToSql + Sync), Type); 1] = [(&oids, Type::OID_ARRAY)];
    sql.query_typed(query, &[&first, more].concat()).await
}

fn by_relation<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<HashMap<u32, Vec<T>>, Error> {
    let mut found: HashMap<u32, Vec<T>> = HashMap::new();
    for row in rows {
        found.entry(row.try_get(0)?).or_default().push(read(row)?);
    }
    Ok(found)
}

impl RelationKind {
    /// <https://www.postgresql.org/docs/current/catalog-pg-class.html>, `relkind`.
    fn of(relkind: &str) -> Self {
        match relkind {
            "r" => Self::Table,
            "p" => Self::Partitioned,
            "v" => Self::Other("a view"),
            "m" => Self::Other("a materialized view"),
            "i" | "I" => Self::Other("an index"),
            "S" => Self::Other("a sequence"),
            "f" => Self::Other("a foreign table"),
            "c" => Self::Other("a composite type"),
            _ => Self::Other("something other than a table"),
        }
    }
}
