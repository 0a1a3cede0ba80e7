//! Transactions that make a table match its spec, and that drop it.
//!
//! No transaction waits long for a lock, because everyone else who wants the table would wait behind it. An
//! advisory lock on the table's name is held while deciding who owns the table, so that two objects can't
//! both find it free.
//!
//! Connecting may take long, and meanwhile the object may be deleted by force and created again. So the
//! transaction asks, under that lock, whether the object still exists: before every drop, and before it
//! changes a table whose comment has another uid. An object created after the answer finds the table dropped,
//! and creates its own.

use crate::{
    api::Objects,
    catalog::{self, Place},
    ddl,
    error::{DatabaseError, TableError},
    identifier::Identifier,
    marker::Owner,
    outcome::{Applied, Dropped},
    plan::{self, Claim, Found, ResolvedTable},
    spec::Table,
    types,
};
use deadpool_postgres::{Client, Pool, Transaction};
use postgres_types::Type;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::IsolationLevel;

/// The time limit of both attempts at a transaction, including the wait for a connection.
const LIMIT: Duration = Duration::from_secs(120);

/// LOCAL, because a pooler in transaction mode would pass other settings on to other clients.
const TRANSACTION_SETTINGS: &str = "SET LOCAL lock_timeout = '3s'; \
                                    SET LOCAL statement_timeout = '60s'; \
                                    SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// Makes an object's table match its spec: creates it, adds columns, or finds that it matches already.
///
/// Calling it again is always safe, also after a crash at any point.
///
/// # Errors
///
/// [`TableError`]; then the database is unchanged, unless the connection broke during the commit. The next
/// call finds out.
pub async fn apply(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    table: &Table,
) -> Result<Applied, TableError> {
    run(|| apply_once(pool, objects, claim, table)).await
}

/// Drops the table of a deleted object, without CASCADE.
///
/// The object's line in the comment tells which table that is, whatever its name: the spec may have changed
/// since, and the status may never have been written. Among several tables with the line, the status decides,
/// and then the `name` in the spec.
///
/// # Errors
///
/// [`TableError`]; then no table was dropped. A missing table isn't an error.
pub async fn drop_table(
    pool: &Pool,
    objects: &impl Objects,
    claim: &Claim,
    name: Option<&Identifier>,
) -> Result<Dropped, TableError> {
    run(|| drop_once(pool, objects, claim, name)).await
}

/// Runs a transaction, and once more if the catalog has changed meanwhile.
async fn run<T, F>(transaction: impl Fn() -> F) -> Result<T, TableError>
where
    F: Future<Output = Result<T, TableError>>,
{
    let twice = async {
        match transaction().await {
            Err(error) if error.is_stale() => transaction().await,
            result => result,
        }
    };
    match timeout(LIMIT, twice).await {
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
    let wanted = ResolvedTable { place, columns, primary_key: table.primary_key.clone() };
    let found = find_tables(&tx, &wanted.place, &claim.owner).await?;
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
    // While it waits for a lock, someone may rename the table and give its name to another one.
    for _ in 0..3 {
        let Some(place) = find_table_to_drop(&tx, claim, name).await? else { return Ok(Dropped::NoTable) };
        lock_name(&tx, &place).await?;
        // Before the table itself is locked, because its readers would wait for this answer.
        if !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
            return Ok(Dropped::Kept(place.qualified));
        }
        tx.execute_typed(&ddl::lock_table(&place), &[]).await?;
        let relation = catalog::relation(&tx, &place).await?;
        if relation.is_some_and(|relation| relation.is_owned_by(&claim.owner)) {
            tx.execute_typed(&ddl::drop_table(&place), &[]).await?;
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
    let recorded = match claim.table.as_deref() {
        Some(table) if catalog::exists(tx, table).await? => Some(table),
        _ => None,
    };
    let wanted = match name {
        Some(name) => catalog::place(tx, name).await?,
        None => None,
    };
    Ok(plan::table_to_drop(&marked, recorded, wanted.as_ref())?)
}

/// READ COMMITTED, to read under the lock what its last holder has written.
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

async fn find_tables(tx: &Transaction<'_>, place: &Place, owner: &Owner) -> Result<Found, TableError> {
    let here = catalog::relation(tx, place).await?;
    let ours = here.as_ref().is_some_and(|relation| relation.is_owned_by(owner));
    // Rarely needed, and it reads all comments in the database.
    let elsewhere = if ours { Vec::new() } else { catalog::tables_of(tx, owner).await? };
    Ok(Found { here, elsewhere: elsewhere.into_iter().map(|place| place.qualified).collect() })
}
