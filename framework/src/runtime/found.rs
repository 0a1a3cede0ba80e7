//! Found kinds: those of the catalog that have no handlers of their own. They come and go, and their numbers are used again.

use super::{catalog::ServedKind, kind::KindContext};
use korf_core::queue::Queue;
use kube::core::ApiResource;
use std::{collections::BTreeSet, mem, sync::Arc};

/// What is known of the catalog, and of kinds that were found in it.
#[derive(Debug, Default)]
pub struct Found {
    /// The catalog as it was looked through last.
    last: Option<Vec<ServedKind>>,
    /// The numbers of kinds that are gone.
    gone: BTreeSet<u32>,
    /// The catalog is to be looked through though nothing in it has changed.
    again: bool,
}

/// The place of a kind among those of the operator.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    /// It has this number.
    Known(u32),
    /// It can get this number.
    Free(u32),
    /// It was there before, and the end of some of its objects isn't told yet.
    Later,
}

impl Found {
    /// Whether the catalog was looked through once.
    pub fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// Takes in the catalog. Returns what is to be looked through: all of it, or nothing where it is as before.
    pub fn take_in(&mut self, catalog: Vec<ServedKind>) -> Vec<ServedKind> {
        let again = mem::take(&mut self.again);
        if !again && self.last.as_ref() == Some(&catalog) {
            return Vec::new();
        }
        self.last = Some(catalog.clone());
        catalog
    }

    /// Takes in that a kind is gone.
    pub fn lose(&mut self, number: u32) {
        self.gone.insert(number);
        self.again = true;
    }

    /// The place of a kind in the catalog.
    pub fn slot(&mut self, resource: &ApiResource, kinds: &[Arc<KindContext>], queue: &Queue) -> Slot {
        let mut known = (0..).zip(kinds).filter(|(_, kind)| kind.kind.is_of(resource));
        if let Some((number, _)) = known.find(|(number, _)| !self.gone.contains(number)) {
            return Slot::Known(number);
        }
        let mut before = (0..).zip(kinds).filter(|(_, kind)| kind.kind.is_of(resource));
        if before.any(|(number, _)| queue.has_kind(number)) {
            self.again = true;
            return Slot::Later;
        }
        let free = self.gone.iter().copied().find(|number| !queue.has_kind(*number));
        Slot::Free(free.unwrap_or(u32::try_from(kinds.len()).unwrap_or(u32::MAX)))
    }

    /// Takes in that a kind has got this number.
    pub fn occupy(&mut self, number: u32) {
        self.gone.remove(&number);
    }
}
