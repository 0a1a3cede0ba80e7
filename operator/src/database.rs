//! The two things that are done to the database: make a table what its object wants, and drop it.
//!
//! Each is one transaction. Nothing waits long for a lock, because everyone who comes after would wait behind
//! it; and who may touch a table is decided under an advisory lock on its name, so that two objects can't
//! both find it free.

use crate::catalog::{self, Place};
use crate::ddl;
use crate::error::{DatabaseError, TableError};
use crate::marker::Owner;
use crate::plan::{self, Found, Plan, Wanted};
use crate::spec::Table;
use crate::status::ColumnStatus;
use crate::types;
use deadpool_postgres::{Client, Pool, Transaction};
use postgres_types::Type;
use std::time::Duration;
use tokio_postgres::IsolationLevel;

/// How long all of it may take, a connection from the pool included.
const LIMIT: Duration = Duration::from_secs(120);

/// LOCAL, because a pooler in transaction mode would hand other settings to other clients.
const SETTINGS: &str = "SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '60s'; \
                        SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// A table that is as its object wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What was done for it.
    pub outcome: Outcome,
    /// The table with its schema, as PostgreSQL prints it.
    pub table: String,
    /// Its columns, in the order of the spec.
    pub columns: Vec<ColumnStatus>,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
}

/// What was done to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Created,
    /// These columns were added.
    ColumnsAdded(Vec<String>),
    /// It was as it should be.
    Unchanged,
}

/// Makes the table of an object what its spec says: creates it, adds columns, or finds that all is well.
///
/// To call it again is always safe, after a crash at any point, too.
///
/// # Errors
///
/// [`TableError`]; then the database is as it was, unless the connection broke during the commit, and the
/// next call finds out.
pub async fn apply(pool: &Pool, owner: &Owner, table: &Table) -> Result<Applied, TableError> {
    limited(async {
        match apply_once(pool, owner, table).await {
            Err(error) if error.is_stale() => apply_once(pool, owner, table).await,
            result => result,
        }
    })
    .await
}

/// Drops every table that carries the owner's marker, under whatever name, and tells which; without CASCADE.
///
/// The marker decides and not the spec, which may have changed, nor the status, which a crash may have kept
/// from being written.
///
/// # Errors
///
/// [`TableError::Database`]; then no table was dropped. A table that isn't there is no error.
pub async fn drop_owned(pool: &Pool, owner: &Owner) -> Result<Vec<String>, TableError> {
    limited(async {
        match drop_once(pool, owner).await {
            Err(error) if error.is_stale() => drop_once(pool, owner).await,
            result => result,
        }
    })
    .await
}

async fn limited<T>(work: impl Future<Output = Result<T, TableError>>) -> Result<T, TableError> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::silence(LIMIT).into()),
    }
}

async fn apply_once(pool: &Pool, owner: &Owner, table: &Table) -> Result<Applied, TableError> {
    let mut client = pool.get().await?;
    let tx = begin(&mut client).await?;
    let place = catalog::place(&tx, &table.name).await?.ok_or(TableError::NoSchema)?;
    lock_name(&tx, &place).await?;
    let columns = types::resolve(&tx, &table.columns).await?;
    let wanted = Wanted { place, columns, primary_key: table.primary_key.clone() };
    let plan = plan::plan(&wanted, &find(&tx, &wanted.place, owner).await?, owner)?;
    for statement in ddl::statements(&plan, &wanted, owner) {
        tx.execute_typed(&statement, &[]).await?;
    }
    tx.commit().await?;
    Ok(applied(plan, wanted))
}

async fn drop_once(pool: &Pool, owner: &Owner) -> Result<Vec<String>, TableError> {
    let mut client = pool.get().await?;
    let tx = begin(&mut client).await?;
    let mut dropped = Vec::new();
    // Until none is left: while a lock was awaited, somebody may have given the table another name.
    for _ in 0..3 {
        let places = catalog::owned(&tx, owner).await?;
        if places.is_empty() {
            tx.commit().await?;
            return Ok(dropped);
        }
        for place in places {
            if drop_one(&tx, &place, owner).await? {
                dropped.push(place.shown);
            }
        }
    }
    Err(DatabaseError::moving().into())
}

/// Drops the table at a place, if it is still the owner's.
async fn drop_one(tx: &Transaction<'_>, place: &Place, owner: &Owner) -> Result<bool, TableError> {
    lock_name(tx, place).await?;
    tx.execute_typed(&ddl::lock(place), &[]).await?;
    let relation = catalog::relation(tx, place).await?;
    let ours = relation.is_some_and(|relation| relation.is_owned_by(owner));
    if ours {
        tx.execute_typed(&ddl::drop(place), &[]).await?;
    }
    Ok(ours)
}

/// READ COMMITTED, so that what is read under the lock is what its last holder left.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, TableError> {
    let builder = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
    let tx = builder.start().await?;
    tx.batch_execute(SETTINGS).await?;
    Ok(tx)
}

async fn lock_name(tx: &Transaction<'_>, place: &Place) -> Result<(), TableError> {
    let sql = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))";
    let key = format!("database-table-operator {}", place.shown);
    tx.query_typed(sql, &[(&key, Type::TEXT)]).await?;
    Ok(())
}

async fn find(tx: &Transaction<'_>, place: &Place, owner: &Owner) -> Result<Found, TableError> {
    let here = catalog::relation(tx, place).await?;
    let ours = here.as_ref().is_some_and(|relation| relation.is_owned_by(owner));
    // Rarely needed, and it reads all comments of the database.
    let elsewhere = if ours { Vec::new() } else { catalog::owned(tx, owner).await? };
    Ok(Found { here, elsewhere: elsewhere.into_iter().map(|place| place.shown).collect() })
}

fn applied(plan: Plan, wanted: Wanted) -> Applied {
    let outcome = match plan {
        Plan::Create => Outcome::Created,
        Plan::Add(columns) => {
            Outcome::ColumnsAdded(columns.iter().map(|column| column.name.as_str().to_owned()).collect())
        }
        Plan::Nothing => Outcome::Unchanged,
    };
    let columns = wanted.columns.into_iter();
    Applied {
        outcome,
        table: wanted.place.shown,
        columns: columns
            .map(|column| ColumnStatus { name: column.name.as_str().to_owned(), type_: column.type_.name })
            .collect(),
        primary_key: wanted.primary_key.iter().map(|name| name.as_str().to_owned()).collect(),
    }
}
