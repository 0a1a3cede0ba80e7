//! Configuration of an operator's storage.

use super::{
    Storage,
    keys::{self, InvalidName},
    location::{InAnnotations, InStatus, Location, Migrating},
};
use crate::kopf;
use std::sync::Arc;

/// The configuration of an operator's storage; defaults follow from the operator's name.
#[derive(Clone, Debug, Default)]
pub struct StorageConfig {
    /// Use Kopf's location and finalizer.
    pub kopf: bool,
    /// The prefix of annotations.
    pub prefix: Option<String>,
    /// The finalizer.
    pub finalizer: Option<String>,
    /// Use the status.
    pub in_status: bool,
    /// Use a location of one's own.
    pub location: Option<Arc<dyn Location>>,
}

impl StorageConfig {
    /// The storage of the operator with this name.
    ///
    /// # Errors
    /// Kubernetes rejects one of the names.
    pub fn storage(&self, operator: &str) -> Result<Storage, InvalidName> {
        let annotations = self.annotations(operator)?;
        let finalizer = match &self.finalizer {
            Some(finalizer) => finalizer.clone(),
            None if self.kopf => kopf::FINALIZER.to_owned(),
            None => format!("{}/finalizer", annotations.prefix()),
        };
        keys::check_finalizer(&finalizer)?;
        let status = InStatus::new(if self.kopf { kopf::STATUS } else { operator });
        let location: Arc<dyn Location> = match &self.location {
            Some(location) => Arc::clone(location),
            None if self.in_status => Arc::new(Migrating { to: status, from: annotations }),
            None if self.kopf => Arc::new(Migrating { to: annotations, from: status }),
            None => Arc::new(annotations),
        };
        Ok(Storage::new(location, finalizer, !self.kopf))
    }

    /// The field of the status that progress is stored in; none where it is stored elsewhere.
    pub fn status_field(&self, operator: &str) -> Option<String> {
        let in_status = self.in_status && self.location.is_none();
        in_status.then(|| if self.kopf { kopf::STATUS } else { operator }.to_owned())
    }

    fn annotations(&self, operator: &str) -> Result<InAnnotations, InvalidName> {
        match &self.prefix {
            // Kopf has the old keys with all prefixes.
            Some(prefix) if self.kopf => InAnnotations::new(prefix).map(InAnnotations::with_old_keys),
            Some(prefix) => InAnnotations::new(prefix),
            None if self.kopf => Ok(InAnnotations::kopf()),
            None => InAnnotations::new(&keys::prefix_of(operator)?),
        }
    }
}
