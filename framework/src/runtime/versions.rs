//! Versions of a kind: whether the API server serves a newer one than the operator knows.
//!
//! A client of an older version erases what only a newer one has, by whatever it writes to the object, unless the CRD
//! converts between them.

use super::{built_in::is_built_in, discovery::is_unknown, kind::KindContext, observe::Observation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::{
    Client,
    core::{ApiResource, Version},
};
use std::{cmp::Reverse, sync::Arc};
use tokio::time::timeout;

/// Asks for newer versions of a kind, and tells of one that was unknown. Where the question fails, nothing is known.
pub async fn look_for_newer(kind: Arc<KindContext>) {
    let resource = &kind.kind.resource;
    if is_built_in(&resource.group) {
        return;
    }
    let limit = kind.operator.settings.requests.timeout;
    if let Ok(Ok(Some(newer))) = timeout(limit, newest(kind.client(), resource)).await
        && kind.note_newer(&newer)
    {
        kind.observe(Observation::NewerVersion { kind: &kind.title(), newer: &newer });
    }
}

/// The newest version by which the API server serves a kind, if it does so by another one than the operator's.
///
/// # Errors
/// The API server can't tell.
pub async fn other_version(kind: &KindContext, client: &Client) -> kube::Result<Option<String>> {
    let resource = &kind.kind.resource;
    if is_built_in(&resource.group) {
        return Ok(None);
    }
    served(client, resource, |version| version != resource.version).await
}

/// The newest version of a kind that is newer than this one.
async fn newest(client: &Client, resource: &ApiResource) -> kube::Result<Option<String>> {
    served(client, resource, |version| age(version) > age(&resource.version)).await
}

/// The newest of the versions that are meant by which a kind is served.
async fn served(
    client: &Client,
    resource: &ApiResource,
    is_meant: impl Fn(&str) -> bool,
) -> kube::Result<Option<String>> {
    let path = format!("/apis/{}", resource.group);
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    let group: APIGroup = match client.request(request).await {
        Err(error) if is_unknown(&error) => return Ok(None),
        group => group?,
    };
    let versions = group.versions.into_iter().map(|version| (version.version, version.group_version));
    let meant = versions.filter(|(version, _)| is_meant(version)).collect();
    for (version, group_version) in by_age(meant) {
        let served = client.list_api_group_resources(&group_version).await?;
        if served.resources.iter().any(|served| served.kind == resource.kind) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Versions, the newest first.
fn by_age(mut versions: Vec<(String, String)>) -> Vec<(String, String)> {
    versions.sort_by_key(|(version, _)| Reverse(age(version)));
    versions
}

fn age(version: &str) -> impl Ord + use<> {
    Version::parse(version).priority()
}

#[cfg(test)]
mod tests {
    use super::{age, by_age};

    #[test]
    fn stable_versions_are_newer_than_others_and_then_numbers_count() {
        let all = ["v1alpha1", "v1beta2", "v2", "v1", "v10", "v1beta1"];
        let newer = |known: &str| {
            let newer = all.into_iter().filter(|version| age(version) > age(known));
            let newer = newer.map(|version| (version.to_owned(), format!("example.com/{version}"))).collect();
            by_age(newer).into_iter().map(|(version, _)| version).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(newer("v10"), "");
        assert_eq!(newer("v2"), "v10");
        assert_eq!(newer("v1"), "v10 v2");
        assert_eq!(newer("v1beta1"), "v10 v2 v1 v1beta2");
        assert_eq!(newer("v1alpha1"), "v10 v2 v1 v1beta2 v1beta1");
    }
}
