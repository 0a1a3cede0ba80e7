//! Discovery of a kind: waits until the API server serves it, and finds its scope and subresources.

use super::{
    built_in::is_built_in,
    health::{WatchHealth, noting},
    kind::KindContext,
    observe::Observation,
    versions::other_version,
    write::explain,
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Client,
    core::{ApiResource, GroupVersionKind},
    discovery::{Scope, pinned_kind},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// What is found out about a kind.
#[derive(Debug, PartialEq, Eq)]
pub enum Discovery {
    /// The API server has not known it for long, in any version.
    Missing,
    /// It is served. That is the last news.
    Served(Scope),
}

/// The reason why nothing is known of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unknown {
    /// The API server doesn't serve it.
    Missing,
    /// The API server serves it in this version alone.
    Version(String),
    /// The API server can't tell.
    Failed(String),
}

/// The delay of the second question; it doubles from then on.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Asks for a kind until it is served, for the first time after this delay.
pub fn discover(kind: Arc<KindContext>, after: Duration) -> BoxStream<'static, Discovery> {
    let health = kind.health(None);
    let questions = Questions {
        client: noting(kind.client(), health.clone()),
        health,
        kind,
        pause: after,
        delay: FIRST_DELAY,
        logged: None,
        missing: None,
        told: false,
        ended: false,
    };
    stream::unfold(questions, |mut questions| async { questions.next().await.map(|news| (news, questions)) })
        .boxed()
}

struct Questions {
    kind: Arc<KindContext>,
    health: WatchHealth,
    /// The operator's, which notes each contact.
    client: Client,
    /// The time before the next question.
    pause: Duration,
    /// The time between that one and the one after it.
    delay: Duration,
    logged: Option<Unknown>,
    /// Since when the API server has not known the kind.
    missing: Option<Instant>,
    /// That was told.
    told: bool,
    ended: bool,
}

impl Questions {
    async fn next(&mut self) -> Option<Discovery> {
        while !self.ended {
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
            match ask_for(&self.kind, &self.client).await {
                Ok(scope) => {
                    self.found();
                    return Some(Discovery::Served(scope));
                }
                Err(why) => {
                    self.note(&why);
                    // One that was found is found again in the other version.
                    let is_missing = self.is_missing(&why);
                    self.unknown(why);
                    if is_missing && self.is_gone() {
                        return Some(Discovery::Missing);
                    }
                }
            }
        }
        None
    }

    /// Takes in for the operator's health that nothing can be watched meanwhile.
    fn note(&self, why: &Unknown) {
        match why {
            Unknown::Missing | Unknown::Version(_) => self.health.waits(),
            Unknown::Failed(_) => self.health.fails(),
        }
    }

    fn found(&mut self) {
        self.ended = true;
        if self.logged.is_some() {
            self.kind.observe(Observation::KindFound { kind: &self.kind.title() });
        }
    }

    fn unknown(&mut self, why: Unknown) {
        self.pause = self.delay;
        self.delay = (self.delay * 2).min(self.kind.operator.settings.watching.discovery_interval);
        self.missing = self.is_missing(&why).then(|| self.missing.unwrap_or_else(Instant::now));
        if self.logged.as_ref() != Some(&why) {
            undiscovered(&self.kind, &why);
            self.logged = Some(why);
        }
    }

    fn is_missing(&self, why: &Unknown) -> bool {
        *why == Unknown::Missing || self.kind.is_found() && matches!(why, Unknown::Version(_))
    }

    /// Whether the kind has been missing for long, for the first time. A server that is starting doesn't know all kinds yet.
    fn is_gone(&mut self) -> bool {
        let patience = self.kind.operator.settings.watching.absence;
        let is_gone = !self.told && self.missing.is_some_and(|since| since.elapsed() >= patience);
        self.told |= is_gone;
        is_gone
    }
}

/// Asks once whether the kind has a status subresource by now; returns whether it has.
pub async fn finds_status_subresource(kind: &KindContext) -> bool {
    ask_for(kind, kind.client()).await.is_ok() && kind.has_status_subresource()
}

/// Asks the API server for the kind, once, and notes whether it has a status subresource.
async fn ask_for(kind: &KindContext, client: &Client) -> Result<Scope, Unknown> {
    let limit = kind.operator.settings.requests.timeout;
    let answer = async {
        let resource = &kind.kind.resource;
        let gvk = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
        match pinned_kind(client, &gvk).await {
            Ok((_, capabilities)) => {
                let mut plurals = capabilities.subresources.iter().map(|(resource, _)| &resource.plural);
                kind.set_status_subresource(
                    plurals.any(|plural| plural.ends_with("/status") || plural == "status"),
                );
                if kind.asks_for_categories() {
                    note_categories(kind, client).await.map_err(|error| Unknown::Failed(explain(&error)))?;
                }
                Ok(capabilities.scope)
            }
            Err(error) if is_unknown(&error) => match other_version(kind, client).await {
                Ok(None) => Err(Unknown::Missing),
                Ok(Some(version)) => Err(Unknown::Version(version)),
                Err(error) => Err(Unknown::Failed(explain(&error))),
            },
            Err(error) => Err(Unknown::Failed(explain(&error))),
        }
    };
    timeout(limit, answer).await.unwrap_or_else(|_| {
        let limit = limit.as_secs();
        let why = format!("the API server has not answered which kinds it has within {limit} seconds");
        Err(Unknown::Failed(why))
    })
}

/// Asks the API server for the categories of the kind, which aren't among its capabilities.
async fn note_categories(kind: &KindContext, client: &Client) -> kube::Result<()> {
    let ApiResource { group, version, api_version, plural, .. } = &kind.kind.resource;
    let list = match &**group {
        "" => client.list_core_api_resources(version).await?,
        _ => client.list_api_group_resources(api_version).await?,
    };
    let served = list.resources.into_iter().find(|resource| resource.name == *plural);
    kind.set_categories(served.and_then(|resource| resource.categories).unwrap_or_default());
    Ok(())
}

/// Whether the API server says that it doesn't have what it was asked for.
pub(super) fn is_unknown(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 404,
        kube::Error::Discovery(_) => true,
        _ => false,
    }
}

fn undiscovered(kind: &KindContext, why: &Unknown) {
    match why {
        // Nobody has asked for it, and nobody waits for it.
        Unknown::Missing | Unknown::Version(_) if kind.is_found() => {}
        Unknown::Missing => kind.observe(Observation::KindMissing {
            kind: &kind.title(),
            built_in: is_built_in(&kind.kind.resource.group),
        }),
        Unknown::Version(served) => {
            kind.observe(Observation::VersionMissing { kind: &kind.title(), served });
        }
        Unknown::Failed(why) => kind.observe(Observation::DiscoveryFailed {
            server: &kind.operator.address,
            kind: &kind.title(),
            why,
        }),
    }
}
