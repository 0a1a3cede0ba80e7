//! Common: what the databases of one operator share.

use super::Database;
use crate::{
    background::Background, drift::Watch, forms::KnownForms, metrics::Metrics, owners::Owners, pool::Pool,
    secrets::SecretId, types::KnownTypes,
};
use std::sync::Arc;

/// What the databases of one operator share: the tables that are looked at, the objects that have one, and the places of what is
/// done in the background.
#[derive(Debug)]
pub struct Common {
    owners: Owners,
    background: Arc<Background>,
    watch: Watch,
}

impl Common {
    /// What databases share that have at most so many connections together.
    pub fn new(most: usize, metrics: &Metrics) -> Self {
        // Others need connections, too: beside other databases, a pool has no more than half of them.
        let background = Arc::new(Background::new((most / 2).max(1)));
        Self { owners: Owners::default(), background, watch: Watch::new(metrics.clone()) }
    }

    /// The tables of all databases that are looked at.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Lets go of an object: its table isn't looked at any more, and nothing is begun at it that was planned. What the database has been
    /// given already, it goes on with.
    pub fn let_go(&self, namespace: &str, name: &str) {
        self.watch.forget(namespace, name);
        self.background.give_up(namespace, name);
    }

    /// The database that a pool connects to, by a Secret, or else as the operator's own. Two may be the same one.
    pub fn database(&self, pool: Pool, secret: Option<SecretId>) -> Database {
        let (types, forms) = (KnownTypes::default(), KnownForms::default());
        let (background, watch) = (Arc::clone(&self.background), self.watch.beside(secret));
        let lane = background.lane();
        Database { pool, owners: self.owners.beside(), types, forms, background, lane, watch }
    }
}
