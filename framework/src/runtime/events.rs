//! Poster: posts Kubernetes events one after the other, without delaying or failing any handler.
//!
//! It doesn't use kube's `Recorder`: of two events with one reason, that one drops the second message, and its times
//! aren't those of the operator's clock.

use super::{
    clock,
    kind::OperatorContext,
    observe::Observation,
    supervisor::Shutdown,
    write::{explain, is_terminating},
};
use crate::event_queue::{EventRequest, EventRequests, WORD_LIMIT, cut};
use jiff::Timestamp;
use k8s_openapi::{
    api::events::v1::Event,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use korf_core::syntax::is_key;
use kube::{Api, api::PostParams};
use std::{env, sync::Arc};
use tokio::time::{Instant, timeout};

/// The namespace of events about objects that are in none.
const OF_THE_CLUSTER: &str = "default";

/// Posts the events of one operator.
pub struct Poster {
    operator: Arc<OperatorContext>,
    requests: EventRequests,
    reporter: Reporter,
    losses: Losses,
    /// The number of events that are being posted: one, or none.
    under_way: usize,
}

impl Poster {
    /// The poster of the operator of this name.
    pub fn new(name: &str, operator: Arc<OperatorContext>, requests: EventRequests) -> Self {
        let reporter = Reporter::new(name);
        Self { operator, requests, reporter, losses: Losses::default(), under_way: 0 }
    }

    /// Posts events while the operator works, and then those that are left.
    pub async fn run(mut self, shutdown: Shutdown) {
        let left = tokio::select! {
            biased;
            () = self.post_all(&shutdown) => 0,
            () = shutdown.grace_ended.cancelled() => self.under_way + self.requests.take().len(),
        };
        if left > 0 {
            self.operator.observer.observe(Observation::EventsLeft { events: left });
        }
    }

    async fn post_all(&mut self, shutdown: &Shutdown) {
        loop {
            let request = tokio::select! {
                biased;
                request = self.requests.receiver.recv() => request,
                () = shutdown.work_ended.cancelled() => None,
            };
            let Some(request) = request else { return };
            self.under_way = 1;
            if let Err(Some(why)) = self.reporter.post(&self.operator, request).await {
                self.losses.add(&self.operator, 1, &why);
            }
            self.under_way = 0;
            let dropped = self.requests.dropped();
            if dropped > 0 {
                let why = format!("{} others waited", self.operator.settings.posting.capacity);
                self.losses.add(&self.operator, dropped, &why);
            }
        }
    }
}

/// The reporter that events name.
#[derive(Debug)]
struct Reporter {
    controller: String,
    instance: String,
}

impl Reporter {
    /// The operator, and the pod that it runs in.
    fn new(operator: &str) -> Self {
        let controller = if is_key(operator) { operator } else { "korf" }.to_owned();
        let host = env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
        Self { instance: cut(host.unwrap_or_else(|| controller.clone()), WORD_LIMIT), controller }
    }

    /// Posts an event.
    ///
    /// # Errors
    /// Why it is lost; none where its namespace goes, and its object with it.
    async fn post(&self, operator: &OperatorContext, request: EventRequest) -> Result<(), Option<String>> {
        let (event, limit) = (self.event(request), operator.settings.posting.timeout);
        let namespace = event.metadata.namespace.as_deref().unwrap_or(OF_THE_CLUSTER);
        let events = Api::<Event>::namespaced(operator.client.clone(), namespace);
        match timeout(limit, events.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if is_terminating(&status) => Err(None),
            Ok(Err(error)) => Err(Some(explain(&error))),
            Err(_) => Err(Some(format!("the API server has not answered for {} seconds", limit.as_secs()))),
        }
    }

    fn event(&self, request: EventRequest) -> Event {
        let now = clock::now();
        let namespace = request.regarding.namespace.clone().unwrap_or_else(|| OF_THE_CLUSTER.to_owned());
        Event {
            metadata: ObjectMeta {
                // Kopf's have `kopf-event-`. An object's own name isn't always one that an event may have.
                generate_name: Some(name_at(now)),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(self.instance.clone()),
            action: Some(request.handler),
            reason: Some(request.reason),
            note: Some(request.message),
            type_: Some(request.severity.as_str().to_owned()),
            regarding: Some(request.regarding),
            ..Event::default()
        }
    }
}

/// The beginning of the names of events at this time. kubectl prints events of `events.k8s.io` in the order of their names, since
/// the times by which it sorts are those of the former API.
fn name_at(now: Timestamp) -> String {
    format!("korf-event-{:016x}-", now.as_nanosecond().max(0))
}

/// Events that were lost, and are to be logged.
#[derive(Debug, Default)]
struct Losses {
    unlogged: usize,
    logged: Option<Instant>,
}

impl Losses {
    fn add(&mut self, operator: &OperatorContext, events: usize, why: &str) {
        self.unlogged += events;
        let reminder = operator.settings.queueing.reminder;
        if self.logged.is_none_or(|logged| logged.elapsed() >= reminder) {
            operator.observer.observe(Observation::EventsDropped { events: self.unlogged, why });
            (self.unlogged, self.logged) = (0, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_events_are_in_the_order_of_their_times() {
        let at = |second, nanosecond| name_at(Timestamp::new(second, nanosecond).unwrap());
        let names = [at(0, 0), at(9, 999_999_999), at(10, 0), at(1_800_000_000, 1), at(9_000_000_000, 0)];
        assert!(names.is_sorted() && names[3] == "korf-event-18fae27693b40001-", "{names:?}");
        // The API server adds five characters, and cuts before them what has more than 58.
        assert!(names.iter().all(|name| name.len() == 28));
    }
}
