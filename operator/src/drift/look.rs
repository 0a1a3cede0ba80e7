//! Look: reads what a database has for many objects, in a fixed number of statements.

use super::Watched;
use crate::{
    catalog::{self, Place, Relation},
    database::{needs_details, needs_indexes},
    error::{DatabaseError, TableError},
    plan::Found,
    sqlstate::Step,
    transaction::Transaction,
};
use futures::{join, try_join};

/// The most tables that are read at once.
pub const MOST_AT_ONCE: usize = 500;

/// Reads, at one point in time, what there is for each of the objects; but for what only a plan needs.
pub(crate) async fn look(tx: &Transaction<'_>, all: &[&Watched]) -> Result<Vec<Found>, TableError> {
    let places: Vec<&Place> = all.iter().map(|watched| &watched.wanted.place).collect();
    let (begun, heads) = join!(tx.begin_look(), catalog::heads(tx, &places));
    begun.map_err(DatabaseError::of_first_statement)?;
    let heads = heads?;
    let present: Vec<_> =
        all.iter().zip(&heads).filter_map(|(of, head)| Some((*of, head.as_ref()?))).collect();
    let those = |needs: fn(&Watched, &catalog::Head) -> bool| -> Vec<u32> {
        present.iter().filter(|(of, head)| needs(of, head)).map(|(_, head)| head.oid).collect()
    };
    let detailed = those(|of, head| needs_details(head, &of.wanted));
    let indexed = those(|of, head| needs_indexes(Some(head), &of.wanted));
    let reads = async {
        let heads = present.iter().map(|(_, head)| (*head).clone()).collect();
        try_join!(catalog::relations(tx, heads, &detailed), catalog::indexes_of_all(tx, &indexed))
    };
    let (read, ended) = join!(reads, tx.commit(Step::Read, &[]));
    let (relations, mut indexes) = read?;
    ended?;
    let mut relations = relations.into_iter();
    let mut found = |head: Option<_>| -> Found {
        let Some(here): Option<Relation> = head.and_then(|_: catalog::Head| relations.next()) else {
            return Found::default();
        };
        let indexes = indexes.remove(&here.head.oid).unwrap_or_default();
        Found { here: Some(here), indexes, ..Found::default() }
    };
    Ok(heads.into_iter().map(&mut found).collect())
}
