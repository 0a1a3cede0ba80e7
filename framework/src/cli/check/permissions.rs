//! Permissions: whether the operator, or its service account, may do what `manifests` would grant it.

use super::{
    Finding,
    cluster::{AT_ONCE, Place},
    grants::{Grant, Place as Where},
};
use crate::operator::Unanswered;
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::{Api, api::PostParams};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Account {
    pub(super) namespace: String,
    name: String,
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').filter(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/') && !text.contains(':')
        });
        let (namespace, name) = parts.ok_or("expected NAMESPACE/NAME")?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service account {}/{}", self.namespace, self.name)
    }
}

/// Something that one may do, or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Permission {
    pub group: String,
    /// With its subresource.
    pub resource: String,
    pub name: Option<String>,
    /// None: in all namespaces, or of the cluster.
    pub namespace: Option<String>,
    pub verb: String,
}

impl Place<'_> {
    /// Whether all is granted that the operator needs.
    pub async fn permissions(&self, grants: Vec<Grant>, account: Option<&Account>) -> Vec<Finding> {
        let who = account.map_or_else(|| "you".to_owned(), Account::to_string);
        let served = self.site.served.as_ref().filter(|set| !set.has_globs());
        let served: Option<Vec<String>> =
            served.map(|set| set.names().iter().map(ToString::to_string).collect());
        let all = permissions(grants, served.as_deref());
        let count = all.len();
        let ask = async |permission: Permission| {
            let allowed = self.is_allowed(&permission, account).await;
            (permission, allowed)
        };
        let answers: Vec<_> = stream::iter(all).map(ask).buffered(AT_ONCE).collect().await;
        let mut missing = BTreeMap::<_, Vec<_>>::new();
        for (permission, allowed) in answers {
            match allowed {
                Ok(true) => {}
                Ok(false) => missing.entry(what(&permission)).or_default().push(permission.verb),
                Err(Unanswered { why, .. }) => {
                    return vec![Finding::failed(
                        "permissions",
                        format!("can't ask what {who} may do: {why}"),
                    )];
                }
            }
        }
        if missing.is_empty() {
            return vec![Finding::fine(
                "permissions",
                format!("{who} may do all that is needed: {count} permissions"),
            )];
        }
        let program = &self.inspection.name;
        let finding = |(what, verbs): (String, Vec<String>)| {
            let text = format!(
                "{who} can't {} {what}: apply the roles that `{program} manifests` prints",
                verbs.join(", ")
            );
            Finding::failed("permissions", text)
        };
        missing.into_iter().map(finding).collect()
    }

    pub async fn is_allowed(
        &self,
        permission: &Permission,
        account: Option<&Account>,
    ) -> Result<bool, Unanswered> {
        let client = self.inspection.client.clone();
        let attributes = Some(attributes(permission));
        let allowed = |status: Option<SubjectAccessReviewStatus>| status.is_some_and(|status| status.allowed);
        let Some(Account { namespace, name }) = account else {
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: attributes, ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..Default::default() };
            let reviews = Api::<SelfSubjectAccessReview>::all(client);
            let answer = self.inspection.answered(reviews.create(&PostParams::default(), &review)).await?;
            return Ok(allowed(answer.status));
        };
        let groups = ["system:serviceaccounts", "system:authenticated"].map(str::to_owned);
        let groups = groups.into_iter().chain([format!("system:serviceaccounts:{namespace}")]).collect();
        let spec = SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{name}")),
            groups: Some(groups),
            resource_attributes: attributes,
            ..Default::default()
        };
        let review = SubjectAccessReview { spec, ..Default::default() };
        let reviews = Api::<SubjectAccessReview>::all(client);
        let answer = self.inspection.answered(reviews.create(&PostParams::default(), &review)).await?;
        Ok(allowed(answer.status))
    }
}

/// Each verb of the grants, once; `served`: the namespaces, where these are known.
fn permissions(grants: Vec<Grant>, served: Option<&[String]>) -> BTreeSet<Permission> {
    let mut all = BTreeSet::new();
    for Grant { place, group, resource, names, verbs } in grants {
        let namespaces = match (place, served) {
            (Where::Served, Some(served)) => served.iter().cloned().map(Some).collect(),
            (Where::Namespace(namespace), _) => vec![Some(namespace)],
            (Where::Served | Where::Cluster, _) => vec![None],
        };
        let names: Vec<_> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for namespace in &namespaces {
            for name in &names {
                all.extend(verbs.iter().map(|verb| Permission {
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    namespace: namespace.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    all
}

fn attributes(permission: &Permission) -> ResourceAttributes {
    let Permission { group, resource, name, namespace, verb } = permission.clone();
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    ResourceAttributes {
        group: Some(group),
        resource: Some(resource),
        subresource,
        name,
        namespace,
        verb: Some(verb),
        ..ResourceAttributes::default()
    }
}

/// What a verb is for, in words.
fn what(permission: &Permission) -> String {
    let Permission { group, resource, name, namespace, .. } = permission;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let name = name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
    let place = namespace.as_ref().map_or_else(
        || " in the whole cluster".to_owned(),
        |namespace| format!(" in namespace {namespace:?}"),
    );
    format!("{resource}{group}{name}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_is_a_namespace_and_a_name() {
        assert_eq!("shop/tables".parse::<Account>().unwrap().to_string(), "service account shop/tables");
        for text in ["", "tables", "shop/", "/tables", "a/b/c", "system:serviceaccount:shop/tables"] {
            assert!(text.parse::<Account>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_verb_is_asked_for_once_where_it_is_needed() {
        let grant = |place, names: &[&str], verbs: &[&str]| Grant {
            place,
            group: "kopf.demo".into(),
            resource: "things/status".into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        };
        let words = |grants: Vec<Grant>, served: Option<&[String]>| {
            let all = permissions(grants, served);
            all.iter()
                .map(|permission| format!("{} {}", permission.verb, what(permission)))
                .collect::<Vec<_>>()
        };
        let served =
            || vec![grant(Where::Served, &[], &["get", "patch"]), grant(Where::Served, &[], &["get"])];
        assert_eq!(
            words(served(), None),
            [
                "get things/status.kopf.demo in the whole cluster",
                "patch things/status.kopf.demo in the whole cluster"
            ]
        );
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(words(served(), Some(&[a, b])).len(), 4);
        assert_eq!(
            words(vec![grant(Where::Namespace("home".into()), &["one"], &["get"])], None),
            ["get things/status.kopf.demo \"one\" in namespace \"home\""]
        );
    }
}
