//! Changes to a table under event triggers of the database, which may comment the table themselves.
//!
//! A new table's comment is what its trigger has said, and the line that names the owner. This takes two waits more than a
//! change without event triggers, whose statements are sent together.

use crate::{
    catalog, ddl,
    error::TableError,
    marker::Owner,
    plan::{Plan, PlanError},
    search_path::by_database,
    sqlstate::Step,
    transaction::Transaction,
};
use futures::{future::try_join_all, join};

/// Executes the statements of a plan, and commits.
///
/// # Errors
///
/// Those of the statements, and [`PlanError::CommentLost`] if the owner's line doesn't stay in the comment.
pub async fn change(tx: &Transaction<'_>, plan: &Plan, owner: &Owner) -> Result<(), TableError> {
    let place = &plan.table.place;
    let head = || catalog::head(tx, Some(&place.schema), &place.name);
    let execute = async |statements: Vec<String>| {
        tx.metrics.note_statements(statements.iter().map(String::as_str));
        let all = statements.iter().map(|statement| tx.execute_typed(statement, &[]));
        by_database(tx, try_join_all(all)).await.map(drop)
    };
    let (changed, mut found) = join!(execute(ddl::changes(plan)), head());
    changed.map_err(|error| (Step::Change, error))?;
    if plan.comment.is_some() {
        let present = found?.and_then(|head| head.comment);
        let comment = ddl::comment(place, &owner.mark_comment(present.as_deref(), &plan.owned));
        let (commented, read) = join!(execute(vec![comment]), head());
        commented.map_err(|error| (Step::Change, error))?;
        found = read;
    }
    if !found?.is_some_and(|head| head.is_owned_by(owner)) {
        return Err(PlanError::CommentLost { table: place.qualified.clone() }.into());
    }
    tx.commit(Step::Change, &[]).await?;
    Ok(())
}
