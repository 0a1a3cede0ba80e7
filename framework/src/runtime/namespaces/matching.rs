//! Namespaces that fit the operator's globs: found by a watch of all namespaces, as they come and go.
//!
//! A namespace that is being deleted is served until it is gone: its objects may have finalizers.

use super::ServedNamespaces;
use crate::runtime::{
    backoff::WatchBackoff,
    health::noting,
    hiccup::{Hiccup, Hiccups},
    kind::OperatorContext,
    observe::Observation,
    watch::server_timeout,
    write::{explain_watch, watch_code},
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use korf_core::namespaces::NamespaceSet;
use kube::{
    Api, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, watcher},
    },
};
use std::{collections::BTreeSet, mem};
use tokio::sync::watch::Sender;

const NAMESPACES: &str = "namespaces.v1";

type Event = watcher::Event<PartialObjectMeta<Namespace>>;

/// Tells which namespaces are served, now and whenever others are.
pub async fn keep_up(operator: &OperatorContext, set: &NamespaceSet, served: &Sender<ServedNamespaces>) {
    let health = operator.health.watch(NAMESPACES, None);
    let client = noting(&operator.client, health.clone());
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
    let config = Config::default().timeout(server_timeout(&operator.settings));
    let backoff = WatchBackoff::up_to(operator.settings.watching.retry_delay);
    let mut events = watcher(namespaces, config).backoff(backoff).boxed();
    let mut found = Found { set, served, names: set.names(), listing: BTreeSet::new(), told_empty: false };
    let (mut failing, mut hiccups) = (None, Hiccups::default());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // `Init` comes before anything was asked for.
                let is_answer = !matches!(event, Event::Init);
                if is_answer {
                    health.works();
                    hiccups.end();
                }
                if matches!(event, Event::InitDone) {
                    health.listed();
                }
                if is_answer && failing.take().is_some() {
                    operator.observer.observe(Observation::NamespacesKnown);
                }
                found.take_in(event, operator);
            }
            Err(error) => {
                let (why, hiccup) = (explain_watch(&error), hiccups.of(&error));
                if hiccup.is_none() {
                    health.fails();
                }
                let observation = match hiccup {
                    Some(Hiccup::Busy) => Observation::WatchDelayed { kind: NAMESPACES, why: &why },
                    Some(Hiccup::Outdated) => Observation::Relisting { kind: NAMESPACES, why: &why },
                    None => {
                        let known = failing.as_ref() == Some(&why);
                        let denied = matches!(watch_code(&error), Some(401 | 403));
                        Observation::NamespacesUnknown { why: &why, known, denied }
                    }
                };
                operator.observer.observe(observation);
                if hiccup.is_none() {
                    failing = Some(why);
                }
                if watch_code(&error) == Some(403) {
                    found.are_denied();
                }
            }
        }
    }
}

struct Found<'a> {
    set: &'a NamespaceSet,
    served: &'a Sender<ServedNamespaces>,
    names: BTreeSet<String>,
    /// What a listing has shown that hasn't ended.
    listing: BTreeSet<String>,
    /// It was told that there are none.
    told_empty: bool,
}

impl Found<'_> {
    fn take_in(&mut self, event: Event, operator: &OperatorContext) {
        let admitted = |namespace: PartialObjectMeta<Namespace>| {
            Some(namespace.name_any()).filter(|name| self.set.admits(name))
        };
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(namespace) => self.listing.extend(admitted(namespace)),
            Event::InitDone => {
                // Those that it names are served though they don't exist.
                self.names = &mem::take(&mut self.listing) | &self.set.names();
                self.publish(operator);
            }
            Event::Apply(namespace) => {
                self.names.extend(admitted(namespace));
                self.publish(operator);
            }
            Event::Delete(namespace) => {
                let name = namespace.name_any();
                if !self.set.names().contains(&name) {
                    self.names.remove(&name);
                }
                self.publish(operator);
            }
        }
    }

    /// Takes in that the operator has no right to know of others: those that it knows are all that it serves for now.
    fn are_denied(&self) {
        self.served.send_if_modified(|served| !mem::replace(&mut served.complete, true));
    }

    fn publish(&mut self, operator: &OperatorContext) {
        let mut gone = BTreeSet::new();
        self.served.send_if_modified(|served| {
            gone = &served.names - &self.names;
            let next = ServedNamespaces { names: self.names.clone(), complete: true };
            mem::replace(served, next) != *served
        });
        for namespace in &gone {
            operator.observer.observe(Observation::NamespaceGone { namespace });
        }
        if self.names.is_empty() && !mem::replace(&mut self.told_empty, true) {
            operator.observer.observe(Observation::NoNamespaceFits { globs: &self.set.to_string() });
        }
    }
}
