//! Objects that have tables, as far as this process knows: so that a creation doesn't read all comments of the database.
//!
//! It knows too many rather than too few: all that had one when the comments were read, and all for which this process has
//! made one since, in any database. The comments are read once for each database, and again from time to time, because another
//! process may have made tables. It keeps a hash of each object, and no names: eight bytes for a table.

use crate::marker::{self, Owner};
use futures::TryStreamExt;
use postgres_types::Type;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Error};

/// The time after which the comments are read again.
const FRESH: Duration = Duration::from_secs(600);

/// The objects that may have tables in a database.
#[derive(Debug, Default)]
pub struct Owners {
    known: Mutex<Known>,
    made: Arc<Made>,
}

/// The objects for which this process has made tables, by whatever way to the database.
#[derive(Debug, Default)]
struct Made {
    hashes: std::sync::Mutex<HashSet<u64>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    hashes: HashSet<u64>,
    read: Option<Instant>,
}

impl Owners {
    /// The same for another database, or for this one in another way.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { known: Mutex::default(), made: Arc::clone(&self.made) }
    }

    /// Whether an object may have a table; if not, it has none.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn may_have_table(&self, sql: &Client, owner: &Owner) -> Result<bool, Error> {
        let hash = self.hash(owner);
        if self.made.hashes().contains(&hash) {
            return Ok(true);
        }
        let mut known = self.known.lock().await;
        if known.read.is_none_or(|read| read.elapsed() > FRESH) {
            let begun = Instant::now();
            self.read(sql, &mut known.hashes).await?;
            known.read = Some(begun);
        }
        Ok(known.hashes.contains(&hash))
    }

    /// Notes that an object gets a table.
    pub fn note(&self, owner: &Owner) {
        self.made.hashes().insert(self.hash(owner));
    }

    async fn read(&self, sql: &Client, hashes: &mut HashSet<u64>) -> Result<(), Error> {
        let query = "SELECT d.description FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid \
                     WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 \
                     AND c.relkind IN ('r', 'p') AND pg_catalog.strpos(d.description, $1) > 0 \
                     AND pg_catalog.pg_has_role(c.relowner, 'USAGE')";
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
        self.made.hasher.hash_one((&owner.cluster, &owner.namespace, &owner.name))
    }
}

impl Made {
    fn hashes(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
