//! Kinds, by the names that kubectl takes: kind, plural, singular, short name, each alone or with version and group.

use super::Unexplained;
use crate::{
    families::Kind,
    operator::{Inspection, Unanswered},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::{Client, core::ApiResource};
use std::collections::BTreeMap;

/// A kind of the program's handlers, as the API server serves it.
#[derive(Debug)]
pub(super) struct FoundKind<'a> {
    pub kind: &'a Kind,
    pub namespaced: bool,
    pub categories: Vec<String>,
}

impl FoundKind<'_> {
    /// `databasetables.v1.kopf.demo`, as kubectl takes it.
    pub fn title(&self) -> String {
        title(&self.kind.resource)
    }
}

/// Finds a kind by one of its names.
///
/// # Errors
/// None of the program's kinds has this name, or several have; or the API server doesn't serve it, or can't be asked.
pub(super) async fn find<'a>(inspection: &'a Inspection, given: &str) -> Result<FoundKind<'a>, Unexplained> {
    let handlers = inspection.registry.handlers().iter();
    let kinds = distinct(handlers.map(|handler| &handler.kind).filter(|kind| !kind.is_any()));
    let known = |kind: &&&Kind| is_named(&kind.resource, &defined_names(kind), given);
    let mut meant: Vec<_> = kinds.iter().filter(known).copied().collect();
    if meant.is_empty() {
        meant = served_as(inspection, &kinds, given).await?;
    }
    match meant[..] {
        [kind] => {
            let served = served(inspection, &kind.resource).await.map_err(Unexplained::Failed)?;
            let Some(served) = served else {
                let title = title(&kind.resource);
                return Err(Unexplained::Failed(format!("the API server doesn't serve {title}")));
            };
            let categories = served.categories.unwrap_or_default();
            Ok(FoundKind { kind, namespaced: served.namespaced, categories })
        }
        [] => Err(Unexplained::Usage(format!(
            "no handler is for a kind {given:?}: handlers are for {}",
            titles(&kinds)
        ))),
        _ => Err(Unexplained::Usage(format!("{given:?} may be one of {}: say which", titles(&meant)))),
    }
}

/// Those of the kinds that the API server serves under a name.
async fn served_as<'a>(
    inspection: &Inspection,
    kinds: &[&'a Kind],
    given: &str,
) -> Result<Vec<&'a Kind>, Unexplained> {
    let mut meant = Vec::new();
    for kind in kinds {
        let served = served(inspection, &kind.resource).await.map_err(Unexplained::Failed)?;
        let names = served.into_iter().flat_map(|served| {
            served.short_names.unwrap_or_default().into_iter().chain([served.singular_name])
        });
        if is_named(&kind.resource, &names.collect::<Vec<_>>(), given) {
            meant.push(*kind);
        }
    }
    Ok(meant)
}

/// A kind as the API server serves it, in the version of its handlers.
async fn served(inspection: &Inspection, resource: &ApiResource) -> Result<Option<APIResource>, String> {
    let request = list(&inspection.client, resource);
    match inspection.answered(request).await {
        Ok(list) => Ok(list.into_iter().find(|served| served.name == resource.plural)),
        Err(Unanswered { why, .. }) => {
            Err(format!("the API server can't be asked for {}: {why}", title(resource)))
        }
    }
}

async fn list(client: &Client, resource: &ApiResource) -> kube::Result<Vec<APIResource>> {
    let list = match &*resource.group {
        "" => client.list_core_api_resources(&resource.version).await,
        _ => client.list_api_group_resources(&resource.api_version).await,
    };
    match list {
        Ok(list) => Ok(list.resources),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn distinct<'a>(kinds: impl Iterator<Item = &'a Kind>) -> Vec<&'a Kind> {
    let mut distinct = BTreeMap::<_, &Kind>::new();
    for kind in kinds {
        let known = distinct.entry(title(&kind.resource)).or_insert(kind);
        if known.definition.is_none() {
            *known = kind;
        }
    }
    distinct.into_values().collect()
}

/// The names of a kind besides kind and plural, where its definition is known.
fn defined_names(kind: &Kind) -> Vec<String> {
    let names = kind.definition.map(|definition| definition().spec.names);
    names
        .into_iter()
        .flat_map(|names| names.short_names.into_iter().flatten().chain(names.singular))
        .collect()
}

/// Whether a kind has this name, alone, or with its group, its version or both.
fn is_named(resource: &ApiResource, others: &[String], given: &str) -> bool {
    let given = given.to_lowercase();
    let (name, rest) = given.split_once('.').map_or((&*given, None), |(name, rest)| (name, Some(rest)));
    let ApiResource { group, version, kind, plural, .. } = resource;
    let is_name = name == plural || name == kind.to_lowercase() || others.iter().any(|other| name == other);
    let is_rest = |rest: &str| {
        rest == group || rest == version || rest.strip_prefix(version) == Some(&format!(".{group}"))
    };
    is_name && rest.is_none_or(is_rest)
}

fn title(resource: &ApiResource) -> String {
    let parts = [&resource.plural, &resource.version, &resource.group];
    parts.map(String::as_str).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

fn titles(kinds: &[&Kind]) -> String {
    kinds.iter().map(|kind| title(&kind.resource)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::is_named;
    use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
    use kube::core::ApiResource;

    #[test]
    fn a_kind_has_the_names_that_kubectl_takes() {
        let (pod, deployment) = (ApiResource::erase::<Pod>(&()), ApiResource::erase::<Deployment>(&()));
        for (resource, given, expected) in [
            (&pod, "pods", true),
            (&pod, "Pod", true),
            (&pod, "po", true),
            (&pod, "pods.v1", true),
            (&pod, "pod.", true),
            (&pod, "pods.apps", false),
            (&pod, "p", false),
            (&pod, "", false),
            (&deployment, "DEPLOYMENTS", true),
            (&deployment, "deployment.apps", true),
            (&deployment, "deployments.v1.apps", true),
            (&deployment, "deployments.v1", true),
            (&deployment, "deployments.v2.apps", false),
            (&deployment, "deployments.v1apps", false),
        ] {
            assert_eq!(is_named(resource, &["po".to_owned()], given), expected, "{given}");
        }
    }
}
