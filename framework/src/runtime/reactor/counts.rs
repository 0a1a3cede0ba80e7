//! Counts: what there is, for the metrics.

use super::{Reactor, now};
use crate::runtime::observe::metrics::{Counts, KindCounts};
use std::{collections::BTreeMap, time::Duration};

impl Reactor {
    /// What there is, for those that ask.
    pub(super) fn counts(&mut self) -> Counts {
        let holdings = &self.operator.holdings;
        let (shards, served) = (holdings.shards(), holdings.served().borrow().clone());
        let is_all = served.0.len() == shards.all().count();
        let census = self.queue.census(|uid| is_all || served.0.contains_key(&shards.of(uid)));
        let mut kinds = BTreeMap::<String, KindCounts>::new();
        for (number, kind) in (0..).zip(&self.kinds) {
            let counts = kinds.entry(kind.metrics.title().to_owned()).or_default();
            counts.running += kind.running();
            if let Some(objects) = census.objects.get(&number) {
                counts.objects.add(objects);
            }
        }
        Counts {
            kinds,
            queued: census.queued,
            oldest: census.oldest.map_or(Duration::ZERO, |since| now().saturating_duration_since(since)),
            workers: self.operator.settings.queueing.concurrency.max(1),
            busy: self.workers.len(),
            daemons: self.daemons.left(),
            outages: census.outages,
            shards: shards.all().count(),
            served: served.0.len(),
        }
    }
}
