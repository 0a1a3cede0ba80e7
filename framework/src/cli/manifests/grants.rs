//! Grants: the permissions that an operator needs, from its handlers, and from where and how it runs.

use super::Site;
use crate::{
    families::{Family, Handler, Kind},
    needs::{Access, Need, NeedPlace},
    registry::Registry,
    runtime::{PEERING_GROUPS, is_built_in, peering_plural},
};
use kube::discovery::Scope;
use std::collections::BTreeMap;

/// The namespace of events about objects that are in none.
const OF_THE_CLUSTER: &str = "default";

/// Verbs for one kind of objects, or for some of them by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub place: Place,
    pub group: String,
    /// The plural, and a slash and the subresource.
    pub resource: String,
    pub names: Vec<String>,
    pub verbs: Vec<String>,
}

/// Where something is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the namespaces that are served.
    Served,
    /// In this namespace.
    Namespace(String),
    /// In the whole cluster.
    Cluster,
}

impl Grant {
    fn new(place: Place, group: &str, resource: &str, verbs: &[&str]) -> Self {
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        Self { place, group: group.to_owned(), resource: resource.to_owned(), names: Vec::new(), verbs }
    }

    fn named(mut self, name: String) -> Self {
        self.names.push(name);
        self
    }

    fn of_need(need: &Need) -> Self {
        let place = match &need.place {
            NeedPlace::Served => Place::Served,
            NeedPlace::Namespace(namespace) => Place::Namespace(namespace.clone()),
            NeedPlace::Cluster => Place::Cluster,
        };
        let Need { group, resource, names, verbs, .. } = need.clone();
        Self { place, group, resource, names, verbs }
    }
}

/// All that the operator needs.
pub fn of(registry: &Registry, site: &Site) -> Vec<Grant> {
    let mut kinds = BTreeMap::<_, KindUse>::new();
    for handler in registry.handlers() {
        let groups = match &handler.family {
            Family::Event(event) => event.kinds.as_ref().and_then(|kinds| kinds.group.clone()),
            _ => None,
        };
        let group = groups.unwrap_or_else(|| handler.kind.resource.group.clone());
        let key = (group, handler.kind.resource.plural.clone());
        kinds.entry(key).or_default().add(handler);
    }
    let mut grants: Vec<_> =
        kinds.iter().flat_map(|((group, plural), uses)| uses.grants(group, plural, site)).collect();
    grants.extend(namespaces(site));
    grants.extend(peering(site));
    grants.extend(site.leases.then(|| leases(site)));
    let declared = registry.handlers().iter().map(|handler| &handler.requirements);
    let declared = declared.chain(registry.activities().iter().map(|activity| &activity.requirements));
    let needs = declared.flat_map(|requirements| &requirements.access().needs);
    grants.extend(needs.chain(registry.needs()).map(Grant::of_need));
    grants
}

/// What the operator does with the objects of a kind.
#[derive(Debug, Default)]
struct KindUse {
    kind: Option<Kind>,
    /// It has handlers that are called in turns: an object that has waited for long is read for its own.
    turns: bool,
    /// It has change handlers, which store their progress on the objects.
    changes: bool,
    /// It adds its finalizer.
    keeps: bool,
    patches: bool,
    replies: bool,
    events: bool,
}

impl KindUse {
    fn add(&mut self, handler: &Handler) {
        let Access { patches, replies, events, .. } = handler.requirements.access();
        let has_turns = !matches!(handler.family, Family::Index(_) | Family::Related(_));
        self.turns |= has_turns;
        self.changes |= matches!(handler.family, Family::Change(_));
        self.keeps |= handler.keeps_objects();
        self.patches |= has_turns && *patches;
        self.replies |= has_turns && *replies;
        // It is told by an event where a handler that is retried fails permanently.
        let is_told = matches!(handler.family, Family::Timer(_) | Family::Daemon(_));
        self.events |= is_told || (has_turns && *events);
        if self.kind.as_ref().is_none_or(|kind| kind.definition.is_none()) {
            self.kind = Some(handler.kind.clone());
        }
    }

    fn grants(&self, group: &str, plural: &str, site: &Site) -> Vec<Grant> {
        let scope = self.kind.as_ref().and_then(|kind| kind.scope.clone());
        let place = if scope == Some(Scope::Cluster) { Place::Cluster } else { Place::Served };
        let status = self.kind.as_ref().and_then(has_status);
        let stores_in_status = site.in_status && self.changes;
        let writes_status = (self.patches || self.replies || stores_in_status) && status != Some(false);
        // Where there is no subresource for it, the status is part of the object.
        let writes = self.changes || self.keeps || self.patches || (self.replies && status != Some(true));
        let mut verbs = vec!["list", "watch"];
        if self.turns {
            verbs.push("get");
        }
        if writes {
            verbs.push("patch");
        }
        let mut grants = vec![Grant::new(place.clone(), group, plural, &verbs)];
        if writes_status {
            grants.push(Grant::new(place.clone(), group, &format!("{plural}/status"), &["patch"]));
        }
        if self.changes || self.keeps || self.events {
            let place = match place {
                Place::Cluster => Place::Namespace(OF_THE_CLUSTER.to_owned()),
                served => served,
            };
            grants.push(Grant::new(place, "events.k8s.io", "events", &["create"]));
        }
        if stores_in_status && !is_built_in(group) {
            let definitions = ("apiextensions.k8s.io", "customresourcedefinitions");
            let grant = Grant::new(Place::Cluster, definitions.0, definitions.1, &["get"]);
            grants.push(grant.named(format!("{plural}.{group}")));
        }
        grants
    }
}

/// Whether the kind has a status subresource, where its definition is known.
fn has_status(kind: &Kind) -> Option<bool> {
    let definition = kind.definition?();
    let version = definition.spec.versions.iter().find(|known| known.name == kind.resource.version)?;
    Some(version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some()))
}

/// What an election takes: Leases in the operator's own namespace.
fn leases(site: &Site) -> Grant {
    let verbs = ["get", "list", "watch", "create", "patch", "delete"];
    Grant::new(Place::Namespace(site.home.clone()), "coordination.k8s.io", "leases", &verbs)
}

/// What is asked about namespaces themselves.
fn namespaces(site: &Site) -> Vec<Grant> {
    match &site.served {
        Some(set) if set.has_globs() => {
            let watched = Grant::new(Place::Cluster, "", "namespaces", &["list", "watch"]);
            let asked_for = Grant::new(Place::Cluster, "", "namespaces", &["get"]);
            let asked_for = set.names().into_iter().map(|name| asked_for.clone().named(name));
            asked_for.chain([watched]).collect()
        }
        Some(_) => vec![Grant::new(Place::Served, "", "namespaces", &["get"])],
        None => Vec::new(),
    }
}

/// What peering takes.
fn peering(site: &Site) -> Vec<Grant> {
    let Some(name) = &site.peering else { return Vec::new() };
    let is_namespaced = site.served.is_some();
    let place = if is_namespaced { Place::Served } else { Place::Cluster };
    let grant = |group: &&str| {
        let verbs = ["get", "list", "watch", "patch"];
        Grant::new(place.clone(), group, peering_plural(is_namespaced), &verbs).named(name.clone())
    };
    PEERING_GROUPS.iter().map(grant).collect()
}
