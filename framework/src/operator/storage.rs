//! Storage options of an operator.

use super::Operator;
use crate::core::storage::Location;
use std::sync::Arc;

impl Operator {
    /// Begins the annotations on the objects with another domain name than `<name>.korf.dev`: one that belongs to you.
    /// The finalizer does, too. With [`kopf_compatible`](Self::kopf_compatible), it is the prefix that the operator which
    /// was written with Kopf has given to its storages, and the finalizer remains Kopf's.
    ///
    /// With another prefix, all objects are new ones.
    #[must_use]
    pub fn prefix(mut self, domain: impl Into<String>) -> Self {
        self.storage.prefix = Some(domain.into());
        self
    }

    /// Holds objects back from deletion by a finalizer of this name: a domain name, a slash and a name.
    ///
    /// Objects that have the former one keep it: take it off them by hand.
    #[must_use]
    pub fn finalizer(mut self, name: impl Into<String>) -> Self {
        self.storage.finalizer = Some(name.into());
        self
    }

    /// Keeps progress and the diff-base in `status.<name>` (with [`kopf_compatible`](Self::kopf_compatible), in
    /// `status.kopf`, as Kopf's `StatusProgressStorage` and `StatusDiffBaseStorage` do), and no longer in annotations. What is
    /// in annotations still counts.
    ///
    /// For kinds with a status subresource whose handlers write the status: the end of a cycle is one write then, and
    /// not two. The schema has to allow the field, by `x-kubernetes-preserve-unknown-fields: true`: an operator that
    /// may read the kind's CRD doesn't start where it doesn't.
    #[must_use]
    pub fn status_storage(mut self) -> Self {
        self.storage.in_status = true;
        self
    }

    /// Keeps progress and the diff-base in a place of your own on the object: see [`Location`]. The other settings say where
    /// the finalizer is.
    #[must_use]
    pub fn storage(mut self, place: impl Location) -> Self {
        self.storage.location = Some(Arc::new(place));
        self
    }
}
