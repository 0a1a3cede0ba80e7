//! Rounds: looks at the tables of all databases, one database after the other, from time to time.

use crate::{
    connections::{Connections, Link, Purpose},
    error::TableError,
    secrets::{SecretId, Secrets},
};
use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tracing::{debug, warn};

/// The time until the next round: the interval, a tenth more or less, so that replicas and operators don't ask at the same time.
pub fn interval(interval: Duration, random: u64) -> Duration {
    let tenth = interval / 10;
    let thousandths = u32::try_from(random % 2001).unwrap_or_default();
    interval - tenth + tenth * thousandths / 1000
}

impl Connections {
    /// Looks at all tables from time to time, from the first call on until nobody has the connections, and gives those objects a
    /// turn that need one.
    pub fn watch_for_drift(
        &self,
        every: Duration,
        secrets: impl Secrets + Send + 'static,
        call: impl Fn(&str, &str) + Send + Sync + 'static,
    ) {
        let Some(shared) = self.begin_to_watch() else { return };
        tokio::spawn(async move {
            loop {
                let random = RandomState::new().hash_one(());
                tokio::time::sleep(interval(every, random)).await;
                let Some(connections) = shared.upgrade() else { return };
                connections.look_for_drift(&secrets, &call).await;
            }
        });
    }

    /// Looks at all tables, and calls this with the namespace and the name of each object that has to have a turn.
    pub async fn look_for_drift(&self, secrets: &impl Secrets, call: &(impl Fn(&str, &str) + Sync)) {
        for place in self.watch().places() {
            if let Err(error) = self.look_at(secrets, place.as_ref(), call).await {
                let place = self.place(place.as_ref());
                // Handlers and statuses say what a database that is away means.
                if error.is_of_the_server() {
                    debug!(target: "root", parent: None, "Looked for no drift in {place}: {error}.");
                } else {
                    warn!(target: "root", parent: None, "Looked for no drift in {place}: {error}.");
                }
            }
        }
    }

    async fn look_at(
        &self,
        secrets: &impl Secrets,
        place: Option<&SecretId>,
        call: &(impl Fn(&str, &str) + Sync),
    ) -> Result<(), TableError> {
        let look = |link: Arc<Link>| async move {
            let counts = link.pool().counts();
            let begun = Instant::now();
            let result = link.database.look_for_drift(call).await;
            link.pool().metrics().note_look(result.is_ok(), begun.elapsed());
            // What a look alone uses doesn't stay open.
            if place.is_some() && counts.idle + counts.used == 0 {
                link.pool().close_idle();
            }
            result
        };
        self.with(secrets, place, Purpose::Apply, look).await
    }
}
