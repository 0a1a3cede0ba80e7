//! First listings: what is told, and what may begin, once all objects of a kind are known.

use super::{IndexGate, Reactor};
use crate::runtime::{
    kind::KindContext,
    observe::{Observation, Phase},
};
use korf_core::queue::Source;
use std::sync::Arc;

impl Reactor {
    /// Tells that all objects of a kind are listed for the first time, or those of all kinds, if that is so.
    pub(super) fn listed(&mut self, number: u32) {
        let kind = Arc::clone(&self.kinds[number as usize]);
        let places = {
            let places = kind.places();
            places.complete.then(|| places.namespaces.keys().copied().collect::<Vec<_>>())
        };
        let Some(places) = places else { return };
        let Some(objects) = self.listings.tell(number, places.iter().copied()) else { return };
        if !places.is_empty() {
            kind.observe_listed(&places, objects);
        }
        self.tell_unmet(number);
        if self.unlisted_indexes().is_empty()
            && let Some(IndexGate { told, .. }) = self.indexing.take()
        {
            self.operator.observer.observe(Observation::IndexesFilled { told });
        }
        self.serve_if_listed();
    }

    /// Tells that the operator serves once all kinds with handlers of their own are listed. It doesn't wait for the objects of
    /// others, which it may not be allowed to list.
    pub(super) fn serve_if_listed(&mut self) {
        let mut declared = (0..).zip(&self.kinds[..self.declared]);
        let is_listed = declared.all(|(number, _)| self.listings.is_told(number));
        let is_found = self.operator.any_kind.is_empty() || self.found.is_known();
        if !self.serving && is_listed && is_found {
            self.serving = true;
            self.operator.observer.observe(Observation::PhaseEntered(Phase::Serving));
        }
    }

    /// The indexed kinds that aren't listed.
    pub(super) fn unlisted_indexes(&self) -> Vec<String> {
        let indexed = (0..).zip(&self.kinds).filter(|(_, kind)| kind.is_indexed());
        let unlisted = indexed.filter(|(number, _)| !self.listings.is_told(*number));
        unlisted.map(|(number, kind)| self.unlisted(number, kind)).collect()
    }

    /// A kind that isn't listed; with the namespaces where it isn't, if it is in others.
    pub(super) fn unlisted(&self, number: u32, kind: &KindContext) -> String {
        let all = &kind.places().namespaces;
        let is_listed =
            |place: &u32| self.listings.of_place(Source { kind: number, place: *place }).is_some();
        let unlisted: Vec<_> = all.iter().filter(|(place, _)| !is_listed(place)).collect();
        let some = unlisted.len() < all.len();
        let named = unlisted.iter().filter_map(|(_, namespace)| namespace.as_deref()).filter(|_| some);
        match named.collect::<Vec<_>>()[..] {
            [] => kind.title(),
            [one] => format!("{} in namespace {one:?}", kind.title()),
            [one, ref more @ ..] => {
                format!("{} in namespace {one:?} and {} others", kind.title(), more.len())
            }
        }
    }
}
