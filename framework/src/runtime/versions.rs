//! Versions of a kind: whether the API server serves a newer one than the operator knows.
//!
//! A client of an older version erases what only a newer one has, by whatever it writes to the object, unless the CRD
//! converts between them.

use super::{built_in::is_built_in, kind::KindContext, observe::Observation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::{
    Client,
    core::{ApiResource, Version},
};
use std::{cmp::Reverse, error::Error};
use tokio::time::timeout;

/// Asks for newer versions of a kind, and tells of one that was unknown. Where the question fails, nothing is known.
pub async fn look_for_newer(kind: &KindContext) {
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

/// The newest version of a kind that is newer than this one.
async fn newest(
    client: &Client,
    resource: &ApiResource,
) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
    let path = http::Request::get(format!("/apis/{}", resource.group)).body(Vec::new())?;
    let group: APIGroup = client.request(path).await?;
    let versions = group.versions.into_iter().map(|version| (version.version, version.group_version));
    for (version, group_version) in newer_than(&resource.version, versions.collect()) {
        let served = client.list_api_group_resources(&group_version).await?;
        if served.resources.iter().any(|served| served.kind == resource.kind) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// The versions that are newer, the newest first.
fn newer_than(known: &str, mut versions: Vec<(String, String)>) -> Vec<(String, String)> {
    let age = |version: &str| Version::parse(version).priority();
    versions.retain(|(version, _)| age(version) > age(known));
    versions.sort_by_key(|(version, _)| Reverse(age(version)));
    versions
}

#[cfg(test)]
mod tests {
    use super::newer_than;

    #[test]
    fn stable_versions_are_newer_than_others_and_then_numbers_count() {
        let all = ["v1alpha1", "v1beta2", "v2", "v1", "v10", "v1beta1"];
        let newer = |known: &str| {
            let versions = all.map(|version| (version.to_owned(), format!("example.com/{version}")));
            let newer = newer_than(known, versions.to_vec());
            newer.into_iter().map(|(version, _)| version).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(newer("v10"), "");
        assert_eq!(newer("v2"), "v10");
        assert_eq!(newer("v1"), "v10 v2");
        assert_eq!(newer("v1beta1"), "v10 v2 v1 v1beta2");
        assert_eq!(newer("v1alpha1"), "v10 v2 v1 v1beta2 v1beta1");
    }
}
