//! Hand-over of tables that an operator has made which leaves no owner's line in their comments: the Kopf demo's.
//!
//! What it has made for an object is known by what it has stored on the object: the spec that was handled last. A table at the
//! place where it makes one, without an owner, and exactly as that spec says, is the object's. It gets the line in a transaction
//! of its own. From then on it is a table like any other: what the present spec asks for is planned as ever, and may be rejected,
//! and a deletion drops it.

use crate::{
    api::Objects,
    catalog::{self, RelationKind},
    database::{Seen, look},
    ddl,
    error::{DatabaseError, TableError},
    identifier::Identifier,
    owners::Owners,
    plan::{self, Claim, PlanError, ResolvedTable},
    spec::Table,
    sqlstate::Step,
    transaction::Transaction,
    types::{self, Confirmed, KnownTypes, ResolveError},
};
use futures::join;

/// What is at the place of a table that another operator has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Former {
    /// The table, which has the object's line now.
    Marked,
    /// A table without an owner that isn't as it was made.
    Strange(PlanError),
    /// No table, or one that has an owner.
    Nothing,
}

/// Puts the object's line into the comment of the table that another operator has made for it, if it is there and unchanged.
///
/// # Errors
///
/// [`TableError`]; then nothing was changed.
pub async fn mark(
    tx: &Transaction<'_>,
    objects: &impl Objects,
    claim: &Claim,
    former: &Table,
    (types, owners): (&KnownTypes, &Owners),
) -> Result<Former, TableError> {
    let (former, statement) = find(tx, objects, claim, former, types).await?;
    if let Some(statement) = statement {
        owners.note(&claim.owner);
        tx.commit(Step::Change, &[statement]).await?;
    }
    Ok(former)
}

/// The same within a transaction that goes on, and isn't committed.
///
/// # Errors
///
/// [`TableError`].
pub async fn try_to_mark(
    tx: &Transaction<'_>,
    objects: &impl Objects,
    claim: &Claim,
    former: &Table,
    types: &KnownTypes,
) -> Result<Former, TableError> {
    let (former, statement) = find(tx, objects, claim, former, types).await?;
    if let Some(statement) = statement {
        tx.execute_typed(&statement, &[]).await.map_err(|error| (Step::Change, error))?;
    }
    Ok(former)
}

/// What is at the place of the table, and the statement that marks it.
async fn find(
    tx: &Transaction<'_>,
    objects: &impl Objects,
    claim: &Claim,
    former: &Table,
    types: &KnownTypes,
) -> Result<(Former, Option<String>), TableError> {
    let (begun, seen) =
        join!(tx.begin(), look(tx, former.schema.as_ref().map(Identifier::as_str), &former.name));
    begun.map_err(DatabaseError::of_first_statement)?;
    let Seen { place: Some(place), head: Some(head), .. } = seen? else { return Ok((Former::Nothing, None)) };
    if head.owner().is_some() || matches!(head.kind, RelationKind::Other(_)) {
        return Ok((Former::Nothing, None));
    }
    let table = place.qualified.clone();
    let relation = catalog::relation(tx, head, true).await?;
    let columns = match types::resolve(tx, &former.columns, types, Confirmed::new()).await {
        Ok(columns) => columns,
        Err(ResolveError::Rejected(rejected)) => return Ok(strange(table, rejected.to_string())),
        Err(ResolveError::Missing(missing)) => return Ok(strange(table, missing.to_string())),
        Err(error) => return Err(error.into()),
    };
    let made = ResolvedTable {
        place,
        columns,
        primary_key: former.primary_key.clone(),
        indexes: Vec::new(),
        creates_schema: false,
    };
    let differences = plan::strangeness(&made, &relation);
    if !differences.is_empty() {
        return Ok((Former::Strange(PlanError::Strange { table, differences }), None));
    }
    // An object that was deleted by force has left its table to nobody.
    if !objects.exists(&claim.owner).await.map_err(TableError::ObjectUnknown)? {
        return Ok((Former::Nothing, None));
    }
    let comment = claim.owner.mark_comment(relation.head.comment.as_deref(), &made.from_spec());
    Ok((Former::Marked, Some(ddl::comment(&made.place, &comment))))
}

fn strange(table: String, why: String) -> (Former, Option<String>) {
    (Former::Strange(PlanError::Strange { table, differences: vec![why] }), None)
}
