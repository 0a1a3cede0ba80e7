//! From what an operator says of its storage to the storage.

use super::{
    Annotations, InStatus, InvalidName, KOPF_FINALIZER, KOPF_STATUS, Moved, Storage, name, place::Place,
};
use std::sync::Arc;

/// What an operator says of its storage; what it doesn't say, follows from its name.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// It is to be where Kopf has it.
    pub kopf: bool,
    /// The prefix of annotations.
    pub prefix: Option<String>,
    /// The finalizer.
    pub finalizer: Option<String>,
    /// Things are kept in the status.
    pub in_status: bool,
    /// A place of its own.
    pub place: Option<Arc<dyn Place>>,
}

impl Choice {
    /// The storage of an operator of this name.
    ///
    /// # Errors
    /// If one of the names isn't one that Kubernetes takes.
    pub fn storage(&self, operator: &str) -> Result<Storage, InvalidName> {
        let annotations = self.annotations(operator)?;
        let finalizer = match &self.finalizer {
            Some(finalizer) => finalizer.clone(),
            None if self.kopf => KOPF_FINALIZER.to_owned(),
            None => format!("{}/finalizer", annotations.prefix()),
        };
        name::check_finalizer(&finalizer)?;
        let status = InStatus::new(if self.kopf { KOPF_STATUS } else { operator });
        let in_annotations = Moved { to: annotations.clone(), from: status.clone() };
        if self.in_status && self.place.is_none() {
            let in_status = Moved { to: status, from: annotations };
            let spare: Arc<dyn Place> = Arc::new(in_annotations);
            return Ok(Storage { spare: Some(spare), ..Storage::of(Arc::new(in_status), &finalizer) });
        }
        let place: Arc<dyn Place> = match &self.place {
            Some(place) => Arc::clone(place),
            None if self.kopf => Arc::new(in_annotations),
            None => Arc::new(annotations),
        };
        Ok(Storage::of(place, &finalizer))
    }

    fn annotations(&self, operator: &str) -> Result<Annotations, InvalidName> {
        match &self.prefix {
            // Kopf has the old keys with all prefixes.
            Some(prefix) if self.kopf => Annotations::new(prefix).map(Annotations::with_old_keys),
            Some(prefix) => Annotations::new(prefix),
            None if self.kopf => Ok(Annotations::kopf()),
            None => Annotations::new(&name::of_operator(operator)?),
        }
    }
}
