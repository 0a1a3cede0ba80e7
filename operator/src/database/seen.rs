//! Reading of what a database has for a spec: what has the table's name, and as much of it as the spec speaks of.

use crate::{
    catalog::{self, Details, FoundIndexes, Head, Place, Publication, Relation},
    ddl,
    error::TableError,
    identifier::Identifier,
    marker::{self, FromSpec, Setting},
    plan::{self, Claim, ResolvedTable},
    search_path::by_database,
    spec::{ColumnSettings, Table, Values},
    sqlstate::Step,
    transaction::Transaction,
    types::ResolvedColumn,
};
use futures::{future::try_join_all, join};
use tokio_postgres::Client;

/// What is at a place.
pub(crate) struct Seen {
    pub place: Option<Place>,
    pub head: Option<Head>,
    pub has_triggers: bool,
}

/// Locks a table's name in a schema, or else in the current one, and reads what has it.
pub(crate) async fn look(
    tx: &Transaction<'_>,
    schema: Option<&str>,
    name: &Identifier,
) -> Result<Seen, tokio_postgres::Error> {
    let (place, head) = join!(
        tx.metrics.locked(catalog::lock_place(tx, schema, name.as_str())),
        catalog::head(tx, schema, name.as_str())
    );
    let (place, has_triggers) = place?.unzip();
    Ok(Seen { place, head: head?, has_triggers: has_triggers.unwrap_or_default() })
}

/// Reads the indexes of what is there, if the spec speaks of some, or an earlier one has.
pub(super) async fn indexes(
    sql: &Client,
    head: Option<&Head>,
    wanted: &ResolvedTable,
) -> Result<FoundIndexes, tokio_postgres::Error> {
    if !needs_indexes(head, wanted) {
        return Ok(FoundIndexes::default());
    }
    let names = names(wanted, &from_spec(head).unwrap_or_default());
    catalog::indexes(sql, &wanted.place.schema, head.map(|head| head.oid), &names).await
}

/// Whether the spec speaks of indexes, or an earlier one has.
pub(crate) fn needs_indexes(head: Option<&Head>, wanted: &ResolvedTable) -> bool {
    let in_comment = from_spec(head).unwrap_or_default();
    // Of a column that isn't UNIQUE any more, the index may be there yet, or even be built.
    let was_unique = in_comment.settings.values().any(|settings| settings.contains(&Setting::Unique));
    was_unique || !names(wanted, &in_comment).is_empty()
}

/// Whether the spec speaks of details, or an earlier one has.
pub(crate) fn needs_details(head: &Head, wanted: &ResolvedTable) -> bool {
    wanted.columns.iter().any(|column| column.settings != ColumnSettings::default())
        || from_spec(Some(head)).is_some_and(|before| !before.settings.is_empty())
}

fn from_spec(head: Option<&Head>) -> Option<FromSpec> {
    head.and_then(|head| head.comment.as_deref()).and_then(marker::from_spec_in)
}

/// Reads the indexes of a table that lacks its key: an earlier attempt to add it may have left one.
pub(super) async fn indexes_beside_key(
    sql: &Client,
    relation: &Relation,
    wanted: &ResolvedTable,
) -> Result<FoundIndexes, tokio_postgres::Error> {
    let mut names = names(wanted, &from_spec(Some(&relation.head)).unwrap_or_default());
    names.extend(ddl::key_names(&wanted.place.name));
    catalog::indexes(sql, &wanted.place.schema, Some(relation.head.oid), &names).await
}

/// The names that indexes may need, those of UNIQUE among them.
fn names(wanted: &ResolvedTable, in_comment: &FromSpec) -> Vec<String> {
    // An index that was made for a column is renamed along with it.
    let is_named =
        |column: &&ResolvedColumn| column.settings.unique || column.settings.renamed_from.is_some();
    let unique = wanted.columns.iter().filter(is_named);
    let unique = unique.flat_map(|column| ddl::unique_names(&wanted.place.name, column.name.as_str()));
    plan::names_of_indexes(&wanted.indexes, &in_comment.indexes).into_iter().chain(unique).collect()
}

/// Reads the rest of what is there, with the details if the spec speaks of them, or an earlier one has.
pub(super) async fn relation(
    sql: &Client,
    head: Option<Head>,
    wanted: &ResolvedTable,
    claim: &Claim,
) -> Result<Option<Relation>, TableError> {
    let Some(head) = head else { return Ok(None) };
    let (oid, detailed) = (head.oid, needs_details(&head, wanted));
    let mut relation = catalog::relation(sql, head, detailed).await?;
    if relation.details.is_none() && plan::needs_details(wanted, &relation) {
        relation.details = Some(catalog::details(sql, oid).await?);
    }
    if plan::needs_weight(wanted, &relation)
        && let Some(details) = &mut relation.details
    {
        let types: Vec<_> = wanted.columns.iter().map(|column| column.type_.id.oid).collect();
        details.weight = catalog::weight(sql, oid, &types).await?;
    }
    let is_generated = |column: &ResolvedColumn| matches!(column.settings.values, Values::Generated(_));
    if !wanted.columns.iter().any(is_generated) {
        return Ok(Some(relation));
    }
    let renames = plan::renames(wanted, &relation, claim);
    if !renames.is_empty() {
        let weight = relation.details.take().unwrap_or_default().weight;
        let details = renamed_details(sql, oid, &ddl::changes_of(wanted, &renames)).await?;
        relation.details = Some(Details { weight, ..details });
    }
    Ok(Some(relation))
}

/// The details once columns are renamed: only the server knows what that makes of expressions. It is taken back.
async fn renamed_details(sql: &Client, oid: u32, renames: &[String]) -> Result<Details, TableError> {
    let (begun, renamed, details, ended) = join!(
        sql.batch_execute("SAVEPOINT korf_rename"),
        // It changes something: event triggers of the database run under it.
        by_database(sql, try_join_all(renames.iter().map(|rename| sql.execute_typed(rename, &[])))),
        catalog::details(sql, oid),
        sql.batch_execute("ROLLBACK TO SAVEPOINT korf_rename")
    );
    begun?;
    renamed.map_err(|error| (Step::Change, error))?;
    let details = details?;
    ended?;
    Ok(details)
}

/// The publications that can't send what happens to the rows of a table, because nothing tells them apart.
pub(super) async fn publications(
    sql: &Client,
    place: &Place,
    here: Option<&Relation>,
    table: &Table,
) -> Result<Vec<Publication>, tokio_postgres::Error> {
    if here.map_or(!table.primary_key.is_empty(), |relation| relation.has_identity) {
        return Ok(Vec::new());
    }
    catalog::publications(sql, &place.schema, here.map(|relation| relation.head.oid)).await
}
