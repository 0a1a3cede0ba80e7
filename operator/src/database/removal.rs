//! Removal of a deleted object's table.

use crate::{
    api::Objects,
    catalog::{self, Head, Place},
    ddl,
    error::{DatabaseError, TableError},
    identifier::split_qualified,
    outcome::Dropped,
    plan::{self, Claim},
    spec::Table,
    sqlstate::Step,
    transaction::Transaction,
};
use futures::join;
use tokio_postgres::Client;

/// Drops the table that is the object's, in a transaction of its own.
pub(super) async fn drop_once(
    tx: &Transaction<'_>,
    objects: &impl Objects,
    claim: &Claim,
    table: Option<&Table>,
) -> Result<Dropped, TableError> {
    if let Some((place, head)) = begin_at_recorded(tx, claim).await?
        && let Some(dropped) = drop_at(tx, objects, claim, place, &head).await?
    {
        return Ok(dropped);
    }
    // While it waits for a lock, someone may rename the table and give its name to another one.
    for _ in 0..3 {
        let Some(place) = find_table_to_drop(tx, claim, table).await? else {
            return not_dropped(tx, claim).await;
        };
        let (locked, head) = join!(
            tx.metrics.locked(catalog::lock(tx, &place.qualified)),
            catalog::head(tx, Some(&place.schema), &place.name)
        );
        locked?;
        if let Some(head) = head?.filter(|head| head.is_owned_by(&claim.owner))
            && let Some(dropped) = drop_at(tx, objects, claim, place, &head).await?
        {
            return Ok(dropped);
        }
    }
    Err(DatabaseError::keeps_moving().into())
}

/// Begins, and locks the name of the table that the status names, if that table is the object's: then the status decides,
/// and no comment of other tables has to be read.
async fn begin_at_recorded(tx: &Transaction<'_>, claim: &Claim) -> Result<Option<(Place, Head)>, TableError> {
    let Some((schema, name)) = claim.table.as_deref().and_then(split_qualified) else {
        tx.begin().await.map_err(DatabaseError::of_first_statement)?;
        return Ok(None);
    };
    let (begun, place, head) = join!(
        tx.begin(),
        tx.metrics.locked(catalog::lock_place(tx, Some(&schema), &name)),
        catalog::head(tx, Some(&schema), &name)
    );
    begun.map_err(DatabaseError::of_first_statement)?;
    let place = place?.map(|(place, _)| place);
    Ok(place.zip(head?.filter(|head| head.is_owned_by(&claim.owner))))
}

/// Drops the table at a place whose name is locked, where a look has found this one; `None` if it isn't the object's table.
async fn drop_at(
    tx: &Transaction<'_>,
    objects: &impl Objects,
    claim: &Claim,
    place: Place,
    seen: &Head,
) -> Result<Option<Dropped>, TableError> {
    // Before the table itself is locked, because its readers would wait for this answer.
    if !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
        return Ok(Some(Dropped::Kept(place.qualified)));
    }
    if !plan::may_drop(&place, seen, claim) {
        return leave(tx, claim, place, seen).await;
    }
    plan::check_drop(&place, seen)?;
    let lock = ddl::lock_table(&place);
    // An index may be being built, by this process or one of before.
    let (cancelled, locked, head) = join!(
        catalog::cancel_builds(tx, seen.oid),
        tx.metrics.locked(tx.execute_typed(&lock, &[])),
        catalog::head(tx, Some(&place.schema), &place.name)
    );
    cancelled?;
    locked?;
    let Some(head) = head?.filter(|head| plan::may_drop(&place, head, claim)) else { return Ok(None) };
    plan::check_drop(&place, &head)?;
    tx.commit(Step::Drop, &[ddl::drop_table(&place)]).await?;
    Ok(Some(Dropped::Table(place.qualified)))
}

/// Looks at the table that the status names, which no line says to be the object's.
async fn not_dropped(sql: &Client, claim: &Claim) -> Result<Dropped, TableError> {
    let recorded = match claim.table.as_deref().and_then(split_qualified) {
        Some((schema, name)) => catalog::head(sql, Some(&schema), &name).await?,
        None => None,
    };
    Ok(plan::not_dropped(claim, recorded.as_ref()))
}

/// Leaves a table to others of this name. What the object has claimed, it claims no longer.
async fn leave(
    tx: &Transaction<'_>,
    claim: &Claim,
    place: Place,
    seen: &Head,
) -> Result<Option<Dropped>, TableError> {
    if let Some(comment) = seen.comment.as_deref().and_then(|comment| claim.owner.withdraw_from(comment)) {
        tx.commit(Step::Change, &[ddl::comment(&place, &comment)]).await?;
    }
    Ok(Some(Dropped::Left(place.qualified)))
}

async fn find_table_to_drop(
    sql: &Client,
    claim: &Claim,
    table: Option<&Table>,
) -> Result<Option<Place>, TableError> {
    let marked = catalog::tables_of(sql, &claim.owner).await?;
    let recorded = match claim.table.as_deref() {
        Some(table) if catalog::exists(sql, table).await? => Some(table),
        _ => None,
    };
    let wanted = match table {
        Some(table) => catalog::place(sql, table.schema.as_ref(), &table.name).await?,
        None => None,
    };
    Ok(plan::table_to_drop(&marked, recorded, wanted.as_ref())?)
}
