//! Triggers: turns for what handlers and mapping functions have named, and lines for what has no effect.

use super::{Reactor, now};
use crate::{
    logging,
    runtime::{
        observe::Observation,
        triggers::{Giver, Target},
    },
};

impl Reactor {
    /// Gives turns to the objects that were triggered.
    pub(super) fn take_triggers(&mut self) {
        for (target, by) in self.operator.triggers.take() {
            self.trigger(target, by);
        }
        for news in self.queue.take_too_often() {
            let kind = &self.kinds[news.source.kind as usize];
            let queueing = &self.operator.settings.queueing;
            let (turns, window) = (queueing.triggered_turns, queueing.trigger_window);
            let _span = logging::object_span(&kind.kind, &news.object).entered();
            kind.observe(Observation::TriggeredTooOften { by: &news.by, turns, window, delay: news.delay });
        }
    }

    fn trigger(&mut self, target: Target, by: Giver) {
        let kinds = (0..).zip(&self.kinds);
        let Some((number, _)) = kinds.into_iter().find(|(_, kind)| target.is_of(&kind.kind.resource)) else {
            if self.unmet.is_news(target.of_all()) {
                let (by, kind) = (&*by.handler, &*target.kind());
                self.operator.observer.observe(Observation::TriggerForNobody { by, kind });
            }
            return;
        };
        let giver = by.handler.as_str().into();
        let Some((namespace, name)) = &target.object else {
            self.queue.trigger_all(number, &giver, now());
            if self.tenures.needed().len() < usize::from(self.operator.holdings.shards().number()) {
                self.has_strayed(number, &target, &by);
            }
            return;
        };
        if self.queue.trigger(number, namespace.as_deref(), name, &giver, now()) {
            if self.is_elsewhere(number, namespace.as_deref(), name) {
                self.has_strayed(number, &target, &by);
            }
            self.unmet.met(&target);
        } else if self.listings.is_told(number) {
            self.triggered_in_vain(number, target, &by);
        } else {
            let tell = now() + self.operator.settings.watching.index_patience;
            self.unmet.wait(number, target, by, tell);
        }
    }

    /// Whether an object is another replica's. One of a shard that is being handed over isn't yet: it is resumed by the one that
    /// takes it over.
    fn is_elsewhere(&mut self, kind: u32, namespace: Option<&str>, name: &str) -> bool {
        let shards = self.operator.holdings.shards();
        let uid = self.queue.elsewhere(kind, namespace, name);
        uid.is_some_and(|uid| self.tenures.fence(shards.of(uid)).is_none())
    }

    /// Tells of a trigger that doesn't reach an object, since that is another replica's. Those of mapping functions do, from that
    /// replica; and who takes over the only shard resumes all objects.
    fn has_strayed(&mut self, kind: u32, target: &Target, by: &Giver) {
        let is_shared = self.operator.holdings.shards().number() > 1;
        if is_shared && !by.is_everywhere && self.unmet.is_stray_news(kind, &by.handler) {
            let (namespace, name) = target
                .object
                .as_ref()
                .map_or((None, None), |(namespace, name)| (namespace.as_deref(), Some(name.as_str())));
            let (by, kind) = (&*by.handler, &*self.kinds[kind as usize].title());
            self.operator.observer.observe(Observation::TriggerStrays { by, kind, namespace, name });
        }
    }

    /// Tells of a trigger for an object that isn't there, if that is news.
    fn triggered_in_vain(&mut self, kind: u32, target: Target, by: &Giver) {
        let Some((namespace, name)) = target.object.clone() else { return };
        // It may be another replica's.
        if self.kinds[kind as usize].is_shared() {
            return self.has_strayed(kind, &target, by);
        }
        if self.unmet.is_news(target) {
            let (kind, namespace) = (&*self.kinds[kind as usize].title(), namespace.as_deref());
            let (by, name) = (&*by.handler, &*name);
            self.operator.observer.observe(Observation::TriggerInVain { by, kind, namespace, name });
        }
    }

    /// Tells of the triggers for objects of a kind that a listing of all of it hasn't shown.
    pub(super) fn tell_unmet(&mut self, kind: u32) {
        for (target, by) in self.unmet.listed(kind) {
            let Some((namespace, name)) = &target.object else { continue };
            if self.is_elsewhere(kind, namespace.as_deref(), name) {
                self.has_strayed(kind, &target, &by);
            } else if !self.queue.knows(kind, namespace.as_deref(), name) {
                self.triggered_in_vain(kind, target, &by);
            }
        }
    }
}
