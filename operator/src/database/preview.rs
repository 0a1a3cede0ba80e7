//! Preview of what would be done to a table.

use super::{Database, Planned, run};
use crate::{
    api::Objects,
    ddl,
    error::TableError,
    handover::{self, Former},
    identifier::Identifier,
    plan::{Change, Claim, Plan},
    spec::{AdoptionPolicy, DefaultValue, DeletionPolicy, Table, Values},
    transaction::{Transaction, transact},
    types::ResolvedColumn,
    warning::Warning,
};
use postgres_types::Type;

/// What would be done to a table, but for its comment, which names the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The table, as PostgreSQL prints it.
    pub table: String,
    /// Whether it is nobody's yet, and would be taken over; with what becomes of it when its object is deleted.
    pub adoption: Option<DeletionPolicy>,
    /// The statements of the transaction.
    pub statements: Vec<String>,
    /// What follows, each step by itself: in words, and its statements.
    pub steps: Vec<(String, Vec<String>)>,
    /// What the author of the spec may not expect.
    pub warnings: Vec<Warning>,
    /// Columns that can't be added as they are asked for, because the table has rows.
    pub without_value: Vec<Identifier>,
}

impl Preview {
    /// How many statements there are.
    pub fn count(&self) -> usize {
        self.statements.len() + self.steps.iter().map(|(_, statements)| statements.len()).sum::<usize>()
    }
}

impl Database {
    /// What [`apply`](Self::apply) would do at first, without doing it.
    ///
    /// # Errors
    ///
    /// [`TableError`], as far as that is known beforehand: rows may stand in the way of a step.
    pub async fn preview(
        &self,
        objects: &impl Objects,
        claim: &Claim,
        table: &Table,
    ) -> Result<Preview, TableError> {
        run(self.pool.metrics(), || {
            // It isn't committed.
            transact(&self.pool, async |tx: &Transaction<'_>| {
                let former = match claim.former.as_ref().filter(|_| !claim.is_elsewhere) {
                    Some(former) => handover::try_to_mark(tx, objects, claim, former, &self.types).await?,
                    None => Former::Nothing,
                };
                let is_handed_over = former == Former::Marked;
                if let Former::Strange(error) = former
                    && claim.adoption == AdoptionPolicy::Never
                {
                    return Err(error.into());
                }
                let Planned { plan, warnings, .. } = self.plan(tx, objects, claim, table, &|_| ()).await?;
                let (plan, _) = plan?;
                let is_taken_over = is_handed_over || plan.adoption.is_some();
                Ok(Preview {
                    without_value: without_value(tx, &plan).await,
                    adoption: is_taken_over.then_some(table.policies.deletion),
                    statements: ddl::changes(&plan),
                    table: plan.table.place.qualified,
                    steps: plan.steps.into_iter().map(|step| (step.what, step.statements)).collect(),
                    warnings,
                })
            })
        })
        .await
    }
}

/// The columns that are added without a value for the rows that are there. Of a table that can't be read, nobody knows.
async fn without_value(tx: &Transaction<'_>, plan: &Plan) -> Vec<Identifier> {
    let query = format!(
        "SELECT FROM pg_catalog.pg_type t WHERE t.oid = $1 AND t.typdefault IS NULL AND EXISTS (SELECT FROM {})",
        plan.table.place.qualified
    );
    let mut found = Vec::new();
    for column in plan.changes.iter().filter_map(needs_value) {
        match tx.query_typed_opt(&query, &[(&column.type_.id.oid, Type::OID)]).await {
            Ok(Some(_)) => found.push(column.name.clone()),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    found
}

/// A column that is added as NOT NULL and says of no value.
fn needs_value(change: &Change) -> Option<&ResolvedColumn> {
    let Change::AddColumn(column) = change else { return None };
    let settings = &column.settings;
    let has_default = settings.default.as_ref().is_some_and(|value| *value != DefaultValue::Null);
    let has_value = has_default || column.type_.serial || settings.values != Values::Written;
    (settings.nullable == Some(false) && !has_value).then_some(column)
}
