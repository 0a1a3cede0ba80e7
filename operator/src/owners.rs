//! Objects that have tables, as far as this process knows: so that a creation doesn't read all comments of the database.
//!
//! It knows too many rather than too few: all that had one when the comments were read, and all for which this process has
//! made one since. The comments are read once, and again from time to time, because another process may have made tables. It
//! keeps a hash of each object, and no names: eight bytes for a table.

use crate::marker::{self, Owner};
use futures::TryStreamExt;
use postgres_types::Type;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    pin::pin,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Error};

/// The time after which the comments are read again.
const FRESH: Duration = Duration::from_secs(600);

/// The objects that may have tables.
#[derive(Debug, Default)]
pub struct Owners {
    known: Mutex<Known>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    hashes: HashSet<u64>,
    read: Option<Instant>,
}

impl Owners {
    /// Whether an object may have a table; if not, it has none.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn may_have_table(&self, sql: &Client, owner: &Owner) -> Result<bool, Error> {
        let mut known = self.known.lock().await;
        if known.read.is_none_or(|read| read.elapsed() > FRESH) {
            let begun = Instant::now();
            self.read(sql, &mut known.hashes).await?;
            known.read = Some(begun);
        }
        Ok(known.hashes.contains(&self.hash(owner)))
    }

    /// Notes that an object gets a table.
    pub async fn note(&self, owner: &Owner) {
        self.known.lock().await.hashes.insert(self.hash(owner));
    }

    async fn read(&self, sql: &Client, hashes: &mut HashSet<u64>) -> Result<(), Error> {
        let query = "SELECT d.description FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid \
                     WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 \
                     AND c.relkind IN ('r', 'p') AND pg_catalog.strpos(d.description, $1) > 0";
        // One after the other: all of them may be many megabytes.
        let mut rows = pin!(sql.query_typed_raw(query, [(marker::PREFIX, Type::TEXT)]).await?);
        while let Some(row) = rows.try_next().await? {
            if let Some(owner) = Owner::from_comment(row.try_get(0)?) {
                hashes.insert(self.hash(&owner));
            }
        }
        Ok(())
    }

    /// The hash of what owners [match](Owner::matches) by.
    fn hash(&self, owner: &Owner) -> u64 {
        self.hasher.hash_one((&owner.cluster, &owner.namespace, &owner.name))
    }
}
