//! The two things that are done to the database: make a table what its object wants, and drop it.
//!
//! Each is one transaction. Nothing waits long for a lock, because everyone who comes after would wait behind
//! it; and who may touch a table is decided under an advisory lock on its name, so that two objects can't
//! both find it free.
//!
//! Connecting may take long, and meanwhile the object may have been taken away by force and made anew. So
//! whether it is still there is asked under that lock, too: before every drop, and before a table is changed
//! whose comment names another uid. An object that is made later than the answer finds the table dropped, and
//! makes its own.

use crate::{
    api::Objects,
    catalog::{self, Place},
    ddl,
    error::{DatabaseError, TableError},
    identifier::Identifier,
    marker::Owner,
    outcome::{Applied, Dropped},
    plan::{self, Claim, Found, Wanted},
    spec::Table,
    types,
};
use deadpool_postgres::{Client, Pool, Transaction};
use postgres_types::Type;
use std::time::Duration;
use tokio_postgres::IsolationLevel;

/// How long all of it may take, a connection from the pool included.
const LIMIT: Duration = Duration::from_secs(120);

/// LOCAL, because a pooler in transaction mode would hand other settings to other clients.
const TRANSACTION_SETTINGS: &str = "SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '60s'; \
                        SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// Makes the table of an object what its spec says: creates it, adds columns, or finds that all is well.
///
/// To call it again is always safe, after a crash at any point, too.
///
/// # Errors
///
/// [`TableError`]; then the database is as it was, unless the connection broke during the commit, and the
/// next call finds out.
pub async fn apply(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    table: &Table,
) -> Result<Applied, TableError> {
    within_limit(async {
        match apply_once(pool, objects, claim, table).await {
            Err(error) if error.is_stale() => apply_once(pool, objects, claim, table).await,
            result => result,
        }
    })
    .await
}

/// Drops the table of an object that is being deleted, under whatever name it is; without CASCADE.
///
/// The marker decides which table that is and not the spec, which may have changed, nor the status, which a
/// crash may have kept from being written; among several tables with the marker, the status does, and then the
/// `name` in the spec.
///
/// # Errors
///
/// [`TableError`]; then no table was dropped. A table that isn't there is no error.
pub async fn drop_owned(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    name: Option<&Identifier>,
) -> Result<Dropped, TableError> {
    within_limit(async {
        match drop_once(pool, objects, claim, name).await {
            Err(error) if error.is_stale() => drop_once(pool, objects, claim, name).await,
            result => result,
        }
    })
    .await
}

async fn within_limit<T>(work: impl Future<Output = Result<T, TableError>>) -> Result<T, TableError> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::no_answer(LIMIT).into()),
    }
}

async fn apply_once(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    table: &Table,
) -> Result<Applied, TableError> {
    let mut client = pool.get().await?;
    let tx = begin(&mut client).await?;
    let place = catalog::place(&tx, &table.name).await?.ok_or(TableError::NoSchema)?;
    lock_name(&tx, &place).await?;
    let columns = types::resolve(&tx, &table.columns).await?;
    let wanted = Wanted { place, columns, primary_key: table.primary_key.clone() };
    let found = find(&tx, &wanted.place, &claim.owner).await?;
    let plan = plan::plan(wanted, &found, claim)?;
    if plan.takes_over && !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
        return Err(TableError::ObjectGone { table: plan.table.place.qualified });
    }
    for statement in ddl::statements(&plan) {
        tx.execute_typed(&statement, &[]).await?;
    }
    tx.commit().await?;
    Ok(plan.into())
}

async fn drop_once(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    name: Option<&Identifier>,
) -> Result<Dropped, TableError> {
    let mut client = pool.get().await?;
    let tx = begin(&mut client).await?;
    // Again, if it is another's by then: while a lock was awaited, somebody may have given the table another
    // name.
    for _ in 0..3 {
        let Some(place) = find_table_to_drop(&tx, claim, name).await? else { return Ok(Dropped::NoTable) };
        lock_name(&tx, &place).await?;
        // Before the table itself is locked: everyone who reads it would wait for the answer.
        if !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
            return Ok(Dropped::Kept(place.qualified));
        }
        tx.execute_typed(&ddl::lock(&place), &[]).await?;
        let relation = catalog::relation(&tx, &place).await?;
        if relation.is_some_and(|relation| relation.is_owned_by(&claim.owner)) {
            tx.execute_typed(&ddl::drop(&place), &[]).await?;
            tx.commit().await?;
            return Ok(Dropped::Table(place.qualified));
        }
    }
    Err(DatabaseError::keeps_moving().into())
}

async fn find_table_to_drop(
    tx: &Transaction<'_>,
    claim: &Claim,
    name: Option<&Identifier>,
) -> Result<Option<Place>, TableError> {
    let marked = catalog::tables_of(tx, &claim.owner).await?;
    let recorded = claim.table.as_deref();
    let recorded_is_there = match recorded {
        Some(qualified) => catalog::exists(tx, qualified).await?,
        None => false,
    };
    let wanted = match name {
        Some(name) => catalog::place(tx, name).await?,
        None => None,
    };
    Ok(plan::table_to_drop(&marked, recorded, recorded_is_there, wanted.as_ref())?)
}

/// READ COMMITTED, so that what is read under the lock is what its last holder left.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, TableError> {
    let builder = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
    let tx = builder.start().await?;
    tx.batch_execute(TRANSACTION_SETTINGS).await?;
    Ok(tx)
}

async fn lock_name(tx: &Transaction<'_>, place: &Place) -> Result<(), TableError> {
    let sql = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))";
    let key = format!("database-table-operator {}", place.qualified);
    tx.query_typed(sql, &[(&key, Type::TEXT)]).await?;
    Ok(())
}

async fn find(tx: &Transaction<'_>, place: &Place, owner: &Owner) -> Result<Found, TableError> {
    let here = catalog::relation(tx, place).await?;
    let ours = here.as_ref().is_some_and(|relation| relation.is_owned_by(owner));
    // Rarely needed, and it reads all comments of the database.
    let elsewhere = if ours { Vec::new() } else { catalog::tables_of(tx, owner).await? };
    Ok(Found { here, elsewhere: elsewhere.into_iter().map(|place| place.qualified).collect() })
}
