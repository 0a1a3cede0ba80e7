//! Attempt: one caller who connects, until that is over.

use super::{PoolError, Pools, places::PoolId};
use crate::error::DatabaseError;
use std::mem;
use tokio::time::Instant;

/// An attempt to connect, which counts until it is over.
#[derive(Debug)]
pub(super) struct Attempt {
    pools: Pools,
    pool: PoolId,
    /// Whether it is made without a place.
    is_knock: bool,
    is_over: bool,
}

impl Attempt {
    pub(super) fn new(pools: Pools, pool: PoolId, is_knock: bool) -> Self {
        Self { pools, pool, is_knock, is_over: false }
    }

    /// There is one connection more.
    pub(super) fn succeed(mut self) {
        self.is_over = true;
        let mut places = self.pools.places();
        places.succeed(self.pool);
        if mem::take(&mut self.is_knock) {
            places.end_knock(self.pool);
        }
    }

    /// Nobody waits for a connection that there won't be.
    pub(super) fn fail(mut self, error: DatabaseError) -> DatabaseError {
        self.is_over = true;
        let turned_away = {
            let mut places = self.pools.places();
            if places.fail(self.pool, error.clone()) { places.turn_away(self.pool) } else { Vec::new() }
        };
        for waiter in turned_away {
            drop(waiter.send(Err(PoolError::Connect(error.clone()))));
        }
        error
    }

    /// The server admits no more. Returns whether there are connections to wait for.
    pub(super) fn wait_instead(mut self) -> bool {
        self.is_over = true;
        let mut places = self.pools.places();
        places.limit(self.pool).is_some_and(|limit| limit.refused(Instant::now()))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut places = self.pools.places();
        if !mem::replace(&mut self.is_over, true)
            && let Some(limit) = places.limit(self.pool)
        {
            limit.ends();
        }
        if self.is_knock {
            places.end_knock(self.pool);
            drop(places);
            // Those who have waited for what came of it go on, or the next one tries.
            self.pools.grant();
        }
    }
}
