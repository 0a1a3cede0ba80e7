//! Roles: what is granted, as Roles and ClusterRoles with their bindings.

use super::{
    Site,
    grants::{Grant, Place},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The API group of roles.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The order in which verbs are read best; others follow.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// The verbs for each group, resource and list of names.
type Rules = BTreeMap<(String, String, Vec<String>), BTreeSet<String>>;

/// The roles that have these grants, with their bindings: a ClusterRole, and Roles in namespaces.
pub fn of(grants: Vec<Grant>, site: &Site) -> Vec<Value> {
    // Where only the API server knows which namespaces there are, no Role can be in each of them.
    let names = site.served.as_ref().filter(|set| !set.has_globs()).map(|set| set.names());
    let (mut cluster, mut served) = (Rules::new(), Rules::new());
    let mut single = BTreeMap::<String, Rules>::new();
    for Grant { place, group, resource, names: objects, verbs } in grants {
        let rules = match place {
            Place::Served if names.is_some() => &mut served,
            Place::Served | Place::Cluster => &mut cluster,
            Place::Namespace(namespace) => single.entry(namespace).or_default(),
        };
        rules.entry((group, resource, objects)).or_default().extend(verbs);
    }
    reduce(&mut cluster, None);
    let mut roles = role(&cluster, None, &site.name, site);
    reduce(&mut served, Some(&cluster));
    for namespace in names.iter().flatten() {
        roles.extend(role(&served, Some(namespace), &site.name, site));
    }
    for (namespace, mut rules) in single {
        reduce(&mut rules, Some(&cluster));
        if names.as_ref().is_some_and(|names| names.contains(&namespace)) {
            reduce(&mut rules, Some(&served));
        }
        roles.extend(role(&rules, Some(&namespace), &format!("{}-here", site.name), site));
    }
    roles
}

/// Takes out what is granted for all objects anyway, here or in the cluster.
fn reduce(rules: &mut Rules, wider: Option<&Rules>) {
    let own = rules.clone();
    for ((group, resource, names), verbs) in rules.iter_mut() {
        let all = (group.clone(), resource.clone(), Vec::new());
        let of_wider = wider.into_iter().flat_map(|wider| wider.get(&all)).flatten();
        let of_own = own.get(&all).filter(|_| !names.is_empty()).into_iter().flatten();
        of_wider.chain(of_own).for_each(|verb| {
            verbs.remove(verb);
        });
    }
    rules.retain(|_, verbs| !verbs.is_empty());
}

/// A role with its binding; nothing, if it has no rules.
fn role(rules: &Rules, namespace: Option<&str>, name: &str, site: &Site) -> Vec<Value> {
    if rules.is_empty() {
        return Vec::new();
    }
    let (role, binding) = match namespace {
        Some(_) => ("Role", "RoleBinding"),
        None => ("ClusterRole", "ClusterRoleBinding"),
    };
    // An operator of this name in another namespace has a ClusterRole of its own.
    let name = if namespace.is_some() { name.to_owned() } else { format!("{name}.{}", site.home) };
    let mut metadata = json!({"name": name, "labels": site.labels()});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    let version = format!("{GROUP}/v1");
    let account = json!({"kind": "ServiceAccount", "name": site.name, "namespace": site.home});
    vec![
        json!({
            "apiVersion": version,
            "kind": role,
            "metadata": metadata,
            "rules": rules.iter().map(rule).collect::<Vec<_>>(),
        }),
        json!({
            "apiVersion": version,
            "kind": binding,
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": role, "name": name},
            "subjects": [account],
        }),
    ]
}

fn rule(((group, resource, names), verbs): (&(String, String, Vec<String>), &BTreeSet<String>)) -> Value {
    let rank = |verb: &str| VERBS.iter().position(|known| *known == verb).unwrap_or(VERBS.len());
    let mut verbs: Vec<_> = verbs.iter().collect();
    verbs.sort_by_key(|verb| (rank(verb), (*verb).clone()));
    let mut rule = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
    if !names.is_empty() {
        rule["resourceNames"] = json!(names);
    }
    rule
}
