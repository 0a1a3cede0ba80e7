//! Plans what becomes of a deleted object's table; pure.

use super::{Claim, PlanError, check_database};
use crate::{
    catalog::{Head, Place, RelationKind},
    marker::Standing,
    outcome::Dropped,
};

/// Checks what has become of a deleted object's table: it may be in another database.
///
/// # Errors
///
/// [`PlanError::Elsewhere`].
pub fn check_dropped(dropped: &Dropped, claim: &Claim) -> Result<(), PlanError> {
    if *dropped == Dropped::NoTable { check_database(claim) } else { Ok(()) }
}

/// Chooses the table to drop among those `marked` with the object's line: a copy in another schema, restored
/// from a dump, has the line too.
///
/// `recorded` is the table that the status names, if it exists, and `wanted` the one that the spec names.
///
/// # Errors
///
/// [`PlanError::Ambiguous`] if a person has to decide.
pub fn table_to_drop(
    marked: &[Place],
    recorded: Option<&str>,
    wanted: Option<&Place>,
) -> Result<Option<Place>, PlanError> {
    let find = |name: &str| marked.iter().find(|place| place.qualified == name).cloned();
    let own = match (marked, recorded) {
        ([], _) => return Ok(None),
        (_, Some(recorded)) => find(recorded),
        ([only], None) => Some(only.clone()),
        (_, None) => wanted.and_then(|place| find(&place.qualified)),
    };
    own.map(Some).ok_or_else(|| PlanError::Ambiguous {
        marked: marked.iter().map(|place| place.qualified.clone()).collect(),
        recorded: recorded.map(str::to_owned),
    })
}

/// What has become of an object's table if no table has its line. `recorded` is what has the name in the status.
///
/// It stays, also if the status says that it is this very object's: to remove the line is how a person keeps a table.
pub fn not_dropped(claim: &Claim, recorded: Option<&Head>) -> Dropped {
    if let (Some(table), None, false) = (&claim.table, recorded, claim.is_elsewhere) {
        return Dropped::Gone(table.clone());
    }
    let here = recorded.filter(|head| !claim.is_elsewhere && !matches!(head.kind, RelationKind::Other(_)));
    let Some((table, head)) = claim.table.clone().zip(here) else { return Dropped::NoTable };
    match head.owner() {
        None => Dropped::LineLost { table, is_first_hand: claim.is_first_hand },
        Some(owner) => {
            let foreign = owner.cluster != claim.owner.cluster;
            Dropped::Anothers { table, owner, foreign }
        }
    }
}

/// Whether a deletion may drop a table whose line names the object, with this uid or another one: it is the object's own, or was by
/// its status, and nobody else claims it.
pub fn may_drop(place: &Place, head: &Head, claim: &Claim) -> bool {
    match head.comment.as_deref().and_then(|comment| claim.owner.standing(comment)) {
        Some(Standing::Own) => true,
        // The line may come from a backup of the database.
        Some(Standing::Earlier) => claim.is_recorded(&place.qualified),
        Some(Standing::Taken | Standing::Disputed) | None => false,
    }
}

/// Checks that the object's table can be dropped: it is one, and nothing else goes with it.
///
/// # Errors
///
/// [`PlanError`] if a person has to decide.
pub fn check_drop(place: &Place, head: &Head) -> Result<(), PlanError> {
    let table = place.qualified.clone();
    match head.kind {
        RelationKind::Table => Ok(()),
        // RESTRICT would take all partitions.
        RelationKind::Partitioned => Err(PlanError::Partitioned { table }),
        RelationKind::Other(kind) => Err(PlanError::NoTableToDrop { table, kind }),
    }
}
