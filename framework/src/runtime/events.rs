//! Posts Kubernetes events: one after the other, beside everything else, and never in its way.
//!
//! Not by kube's `Recorder`: of two events of one reason it drops the second message, and its times aren't ours.

use super::{clock, fault::explain, kind::Server, report};
use crate::{
    core::syntax::is_key,
    handler::{CAPACITY, Notice, WORD_LIMIT, cut},
};
use k8s_openapi::{
    api::events::v1::Event,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use std::{env, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long one event may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two warnings.
const REMIND: Duration = Duration::from_secs(300);

/// Where the events of objects have to be that are in no namespace.
const OF_THE_CLUSTER: &str = "default";

/// Posts the events of one operator.
pub struct Poster {
    server: Server,
    reporter: Reporter,
    losses: Losses,
    /// How many events are on their way to the API server: one, or none.
    under_way: usize,
}

impl Poster {
    /// What posts the events of this operator.
    pub fn new(operator: &str, server: Server) -> Self {
        Self { server, reporter: Reporter::new(operator), losses: Losses::default(), under_way: 0 }
    }

    /// Posts while the work goes on, and what is left then; but once the operator is told to stop, no longer than its
    /// grace.
    pub async fn beside(mut self, work: impl Future<Output = ()>, stop: &CancellationToken, grace: Duration) {
        let postbox = self.server.events.clone();
        let done = CancellationToken::new();
        let over = async {
            stop.cancelled().await;
            sleep(grace).await;
        };
        let posting = async {
            tokio::select! {
                biased;
                () = self.post_all(&done) => {}
                () = over => report::events_left(self.under_way + postbox.take().len()),
            }
        };
        let work = async {
            work.await;
            done.cancel();
        };
        tokio::join!(work, posting);
    }

    async fn post_all(&mut self, done: &CancellationToken) {
        let postbox = self.server.events.clone();
        loop {
            while let Some(notice) = postbox.pop() {
                self.under_way = 1;
                if let Err(why) = self.reporter.post(&self.server.client, notice).await {
                    self.losses.add(1, &why);
                }
                self.under_way = 0;
                let dropped = postbox.dropped();
                if dropped > 0 {
                    self.losses.add(dropped, &format!("{CAPACITY} others waited"));
                }
            }
            if done.is_cancelled() {
                return;
            }
            tokio::select! {
                () = postbox.news() => {}
                () = done.cancelled() => {}
            }
        }
    }
}

/// Who reports.
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

    async fn post(&self, client: &Client, notice: Notice) -> Result<(), String> {
        let event = self.event(notice);
        let namespace = event.metadata.namespace.as_deref().unwrap_or(OF_THE_CLUSTER);
        let events = Api::<Event>::namespaced(client.clone(), namespace);
        match timeout(PATIENCE, events.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(format!("the API server has not answered for {} seconds", PATIENCE.as_secs())),
        }
    }

    fn event(&self, notice: Notice) -> Event {
        let namespace = notice.regarding.namespace.clone().unwrap_or_else(|| OF_THE_CLUSTER.to_owned());
        Event {
            metadata: ObjectMeta {
                // Kopf's have `kopf-event-`. An object's own name isn't always one that an event may have.
                generate_name: Some("korf-event-".to_owned()),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(clock::now())),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(self.instance.clone()),
            action: Some(notice.handler),
            reason: Some(notice.reason),
            note: Some(notice.message),
            type_: Some(notice.severity.as_str().to_owned()),
            regarding: Some(notice.regarding),
            ..Event::default()
        }
    }
}

/// Events that were not posted, and are to be told of.
#[derive(Debug, Default)]
struct Losses {
    untold: usize,
    told: Option<Instant>,
}

impl Losses {
    fn add(&mut self, events: usize, why: &str) {
        self.untold += events;
        if self.told.is_none_or(|told| told.elapsed() >= REMIND) {
            report::events_dropped(self.untold, why);
            (self.untold, self.told) = (0, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reports_under_its_name_if_kubernetes_takes_it() {
        for (name, expected) in [("tables", "tables"), ("My_Tables", "My_Tables"), ("my tables", "korf")] {
            assert_eq!(Reporter::new(name).controller, expected);
        }
    }
}
