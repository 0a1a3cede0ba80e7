//! Catalog: the kinds that the API server serves, for handlers of any kind. It is asked for from time to time.

use super::{
    health::{WatchHealth, noting},
    kind::{OperatorContext, is_report},
    observe::Observation,
    write::explain,
};
use futures::{
    StreamExt, future,
    stream::{self, BoxStream},
};
use kube::{
    Client,
    core::{
        ApiResource,
        discovery::v2::{APIGroupDiscovery, APIResourceDiscovery},
    },
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The catalog, in words for the log.
const TITLE: &str = "all kinds";

/// The delay of the second question where the first one fails; it doubles from then on.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// A kind that is served, in the version that its group prefers.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedKind {
    pub resource: ApiResource,
    pub categories: Vec<String>,
}

/// The kinds that are served: at first, and again after each `watching.discovery_interval`. Nothing where no handler asks.
pub fn catalog(operator: &Arc<OperatorContext>) -> BoxStream<'static, Vec<ServedKind>> {
    if operator.any_kind.is_empty() {
        return stream::pending().boxed();
    }
    let health = operator.health.watch(TITLE, None);
    let questions = Questions {
        client: noting(&operator.client, health.clone()),
        health,
        operator: Arc::clone(operator),
        pause: Duration::ZERO,
        delay: FIRST_DELAY,
        failing: None,
    };
    stream::unfold(questions, |mut questions| async { Some((questions.next().await, questions)) }).boxed()
}

struct Questions {
    operator: Arc<OperatorContext>,
    health: WatchHealth,
    /// The operator's, which notes each contact.
    client: Client,
    /// The time before the next question.
    pause: Duration,
    /// The time between that one and the one after it, if it fails.
    delay: Duration,
    failing: Option<String>,
}

impl Questions {
    async fn next(&mut self) -> Vec<ServedKind> {
        loop {
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
            match ask(&self.client, self.operator.settings.requests.timeout).await {
                Ok(kinds) => {
                    self.succeeded();
                    return kinds;
                }
                Err(why) => self.failed(why),
            }
        }
    }

    fn succeeded(&mut self) {
        self.health.works();
        self.health.listed();
        // Between two questions, there is no connection that could be silent.
        self.health.pauses();
        if self.failing.take().is_some() {
            self.operator.observer.observe(Observation::WatchRecovered { kind: TITLE });
        }
        (self.pause, self.delay) = (self.operator.settings.watching.discovery_interval, FIRST_DELAY);
    }

    fn failed(&mut self, why: String) {
        if self.failing.is_none() {
            self.health.goes_on();
        }
        self.health.fails();
        if self.failing.as_ref() != Some(&why) {
            let server = &self.operator.address;
            self.operator.observer.observe(Observation::DiscoveryFailed { server, kind: TITLE, why: &why });
            self.failing = Some(why);
        }
        self.pause = self.delay;
        self.delay = (self.delay * 2).min(self.operator.settings.watching.discovery_interval);
    }
}

/// Asks for all groups with all their kinds, which is two requests.
async fn ask(client: &Client, limit: Duration) -> Result<Vec<ServedKind>, String> {
    let answers =
        future::try_join(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated());
    let (core, others) = match timeout(limit, answers).await {
        Ok(answers) => answers.map_err(|error| explain(&error))?,
        Err(_) => {
            let limit = limit.as_secs();
            return Err(format!("the API server has not answered which kinds it has within {limit} seconds"));
        }
    };
    if core.items.is_empty() {
        return Err(
            "the API server doesn't tell all its kinds at once: that needs Kubernetes 1.27 or newer".into()
        );
    }
    Ok(core.items.iter().chain(&others.items).flat_map(kinds).collect())
}

/// The kinds of a group that can be listed and watched, each in the first version that has it.
fn kinds(group: &APIGroupDiscovery) -> Vec<ServedKind> {
    let name = group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default();
    let (mut seen, mut kinds) = (HashSet::new(), Vec::new());
    for version in &group.versions {
        let number = version.version.as_deref().unwrap_or_default();
        for resource in &version.resources {
            let Some(plural) = resource.resource.as_deref().filter(|plural| seen.insert(*plural)) else {
                continue;
            };
            let kind = watchable(name, number, plural, resource);
            kinds.extend(kind.filter(|kind| !is_report(&kind.resource)));
        }
    }
    kinds
}

/// The kind, if its objects can be listed and watched.
fn watchable(group: &str, version: &str, plural: &str, served: &APIResourceDiscovery) -> Option<ServedKind> {
    let can = |verb: &str| served.verbs.iter().any(|known| known == verb);
    let kind = served.response_kind.as_ref()?.kind.clone()?;
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind,
        plural: plural.to_owned(),
    };
    let categories = served.categories.clone();
    (can("list") && can("watch")).then_some(ServedKind { resource, categories })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(plural: &str, verbs: &[&str]) -> serde_json::Value {
        json!({
            "resource": plural, "responseKind": {"group": "", "version": "", "kind": "Kind"}, "scope": "Namespaced",
            "verbs": verbs, "categories": ["all"], "subresources": [{"subresource": "status", "verbs": ["list", "watch"]}],
        })
    }

    #[test]
    fn a_group_has_what_can_be_watched_in_the_first_version_that_has_it() {
        let (all, some) = (&["get", "list", "watch"][..], &["get", "list"][..]);
        let versions = |first: &[serde_json::Value], second: &[serde_json::Value]| json!([{"version": "v2", "resources": first}, {"version": "v1", "resources": second}]);
        for (group, versions, expected) in [
            (
                "apps",
                versions(&[resource("a", all)], &[resource("a", all), resource("b", all)]),
                "a.apps/v2 b.apps/v1",
            ),
            ("", versions(&[resource("a", all), resource("b", some)], &[]), "a.v2"),
            ("", versions(&[resource("events", all)], &[]), ""),
            ("events.k8s.io", versions(&[], &[resource("events", all)]), ""),
            ("example.com", versions(&[], &[resource("events", all)]), "events.example.com/v1"),
            ("example.com", json!([{"version": "v1", "resources": [{"resource": "odd"}, {}]}]), ""),
        ] {
            let served = json!({"metadata": {"name": group}, "versions": versions});
            let found = kinds(&serde_json::from_value(served).unwrap());
            assert!(found.iter().all(|kind| kind.categories == ["all"]));
            let title = |kind: &ServedKind| format!("{}.{}", kind.resource.plural, kind.resource.api_version);
            assert_eq!(found.iter().map(title).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
