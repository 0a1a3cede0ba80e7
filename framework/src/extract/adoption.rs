//! Adoption of children by an object.

use super::Object;
use crate::error::{Error, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{
    Resource,
    core::{ClusterResourceScope, DynamicResourceScope, NamespaceResourceScope},
};

const NO_IDENTITY: &str = "can't adopt: the owner has no name or uid; was it read from the API server?";

/// A scope (namespaced, or the whole cluster) whose objects can own those of another one: in Kubernetes, namespaced objects
/// own objects of the same namespace, and cluster-scoped objects own any.
#[diagnostic::on_unimplemented(
    message = "an object in a namespace cannot own one of the whole cluster",
    label = "the cluster would delete it again",
    note = "delete it by a handler of `on_delete`, or let a cluster-scoped kind own it"
)]
pub trait Owns<Place> {}

impl<Place> Owns<Place> for ClusterResourceScope {}
impl Owns<NamespaceResourceScope> for NamespaceResourceScope {}
/// For kinds that are only known at run time.
impl Owns<DynamicResourceScope> for NamespaceResourceScope {}

impl<K: Resource<DynamicType = ()>> Object<K> {
    /// Makes another object a child of this one, before it is sent to the API server: Kopf's `adopt`.
    ///
    /// - The child gets an owner reference to this object, as its controller, so that the cluster deletes it when this
    ///   object is gone. In a foreground deletion this object goes after the child (`blockOwnerDeletion`); where the API
    ///   server checks the permission for that (OpenShift's does), the operator needs permission to `update` the
    ///   `finalizers` of this object's kind, as with Kopf. An existing reference to this object stays as it is.
    /// - A child without a namespace gets this object's.
    /// - A child without a name (and without a `generateName`) gets this object's. Kopf lets the server generate one, so
    ///   that a handler that is called again makes a second child.
    /// - The child gets this object's labels, except for those that it has a value for, and those by which tools find what
    ///   they have made: Argo CD, Flux, Helm, kapp and `kubectl apply --prune` would take the child for theirs, and delete
    ///   it as no longer wanted. [`adopt_with_labels`](Self::adopt_with_labels) decides otherwise.
    ///
    /// Nothing that the child has is changed, and a second adoption changes nothing. An object has one controller: Kopf adds
    /// a second one, which the API server rejects.
    ///
    /// ```
    /// use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    /// use korf::Object;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let metadata = serde_json::json!({"name": "web", "namespace": "shop", "uid": "1", "labels": {"tier": "front"}});
    /// # let pod: Pod = serde_json::from_value(serde_json::json!({"metadata": metadata}))?;
    /// let pod: Object<Pod> = pod.into();
    /// let mut child = ConfigMap::default();
    /// pod.adopt(&mut child).map_err(|error| error.to_string())?;
    ///
    /// let metadata = child.metadata;
    /// assert_eq!(metadata.namespace.as_deref(), Some("shop"));
    /// assert_eq!(metadata.name.as_deref(), Some("web"));
    /// assert_eq!(metadata.labels.unwrap_or_default()["tier"], "front");
    /// assert_eq!(metadata.owner_references.unwrap_or_default()[0].kind, "Pod");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A permanent one, and the child is as before then:
    /// - if the child is in another namespace, where the cluster would take its owner for gone and delete it;
    /// - if another object is its controller;
    /// - if this object has no name and uid, that is, was not read from an API server.
    pub fn adopt<Child>(&self, child: &mut Child) -> Result
    where
        Child: Resource,
        K::Scope: Owns<Child::Scope>,
    {
        self.adopt_with_labels(child, |key| !tracks(key))
    }

    /// The same, with those of this object's labels whose keys are `wanted`.
    ///
    /// ```
    /// # use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    /// # use korf::{Object, Result};
    /// # fn example(pod: &Object<Pod>, child: &mut ConfigMap) -> Result {
    /// pod.adopt_with_labels(child, |key| key.starts_with("example.com/"))
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`adopt`](Self::adopt).
    pub fn adopt_with_labels<Child>(&self, child: &mut Child, wanted: impl Fn(&str) -> bool) -> Result
    where
        Child: Resource,
        K::Scope: Owns<Child::Scope>,
    {
        let (owner, meta) = (self.meta(), child.meta_mut());
        let reference = self.controller_owner_ref(&());
        let reference = reference.ok_or_else(|| Error::permanent(NO_IDENTITY))?;
        let missing = missing(reference, meta)?;
        if let Some(here) = &owner.namespace {
            let there = meta.namespace.get_or_insert_with(|| here.clone());
            if there != here {
                return Err(Error::permanent(format!("an object in {here} cannot own one in {there}")));
            }
        }
        if meta.generate_name.is_none() && meta.name.is_none() {
            meta.name.clone_from(&owner.name);
        }
        for (key, value) in owner.labels.iter().flatten().filter(|(key, _)| wanted(key)) {
            let labels = meta.labels.get_or_insert_default();
            labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        meta.owner_references.get_or_insert_default().extend(missing);
        Ok(())
    }
}

/// Labels by which tools find what they have made.
const TRACKING: [&str; 4] =
    ["app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart", "olm.owner"];
/// The same, by the domains in their keys: Argo CD, Flux, `kubectl apply --prune`, kapp, Fleet, Config Sync.
const TRACKING_DOMAINS: [&str; 7] = [
    "argocd.argoproj.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "applyset.kubernetes.io",
    "kapp.k14s.io",
    "objectset.rio.cattle.io",
    "configsync.gke.io",
];

/// Whether tools find what they have made by a label.
fn tracks(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    TRACKING.contains(&key) || TRACKING_DOMAINS.contains(&domain)
}

/// The reference to an owner that the child has yet to get: none if it has one, whatever that says.
fn missing(owner: OwnerReference, child: &ObjectMeta) -> Result<Option<OwnerReference>> {
    let mut known = child.owner_references.iter().flatten();
    if known.clone().any(|known| known.uid == owner.uid) {
        return Ok(None);
    }
    if let Some(other) = known.find(|known| known.controller == Some(true)) {
        let title = |owner: &OwnerReference| format!("the {} {}", owner.kind, owner.name);
        let (other, this) = (title(other), title(&owner));
        let why = format!("the child is controlled by {other} already, and cannot be by {this}");
        return Err(Error::permanent(why));
    }
    Ok(Some(OwnerReference { block_owner_deletion: Some(true), ..owner }))
}

#[cfg(test)]
mod tests {
    use crate::Object;
    use k8s_openapi::api::{
        core::v1::{ConfigMap, Namespace},
        rbac::v1::ClusterRole,
    };
    use serde::de::DeserializeOwned;
    use serde_json::{Value, from_value, json};

    fn object<K: DeserializeOwned>(metadata: Value) -> K {
        from_value(json!({"metadata": metadata})).unwrap()
    }

    /// The child's metadata after its adoption, or what is wrong with it.
    fn adopted(owner: Value, child: Value) -> Result<Value, String> {
        let mut child: ConfigMap = object(child);
        Object::from(object::<ConfigMap>(owner)).adopt(&mut child).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(child.metadata).unwrap())
    }

    fn owner() -> Value {
        json!({"name": "a", "namespace": "n", "uid": "1", "labels": {"x": "1", "y": "2"}})
    }

    fn reference() -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1", "controller": true, "blockOwnerDeletion": true})
    }

    #[test]
    fn what_a_child_has_itself_stays_and_the_rest_is_its_owners() {
        let other = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "2"});
        let cases = [
            (json!({}), json!({"name": "a", "labels": {"x": "1", "y": "2"}})),
            (
                json!({"name": "c", "labels": {"x": "9"}}),
                json!({"name": "c", "labels": {"x": "9", "y": "2"}}),
            ),
            (
                json!({"generateName": "c-", "namespace": "n"}),
                json!({"generateName": "c-", "labels": {"x": "1", "y": "2"}}),
            ),
            (
                json!({"name": "c", "ownerReferences": [other]}),
                json!({"name": "c", "labels": {"x": "1", "y": "2"}, "ownerReferences": [other, reference()]}),
            ),
        ];
        for (child, mut expected) in cases {
            expected["namespace"] = "n".into();
            if expected["ownerReferences"].is_null() {
                expected["ownerReferences"] = json!([reference()]);
            }
            let once = adopted(owner(), child).unwrap();
            assert_eq!(once, expected);
            assert_eq!(adopted(owner(), once).unwrap(), expected, "a second time");
        }
    }

    #[test]
    fn a_child_has_one_controller() {
        let other = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "2", "controller": true});
        let mut child: ConfigMap = object(json!({"ownerReferences": [other]}));
        let before = child.clone();
        let error = Object::from(object::<ConfigMap>(owner())).adopt(&mut child).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the child is controlled by the Pod p already, and cannot be by the ConfigMap a"
        );
        assert_eq!(child, before);
    }

    #[test]
    fn a_reference_to_the_owner_stays_as_it_is() {
        let plain = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"});
        let other = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "2", "controller": true});
        let child = adopted(owner(), json!({"ownerReferences": [plain, other]})).unwrap();
        assert_eq!(child["ownerReferences"], json!([plain, other]));
    }

    #[test]
    fn the_cluster_owns_in_any_namespace_and_a_namespace_in_itself_alone() {
        let elsewhere = adopted(owner(), json!({"name": "c", "namespace": "m"}));
        assert_eq!(elsewhere.unwrap_err(), "an object in n cannot own one in m");
        let namespace = Object::from(object::<Namespace>(json!({"name": "n", "uid": "1"})));
        let (mut map, mut role) = (object::<ConfigMap>(json!({"namespace": "m"})), ClusterRole::default());
        namespace.adopt(&mut map).unwrap();
        namespace.adopt(&mut role).unwrap();
        assert_eq!((map.metadata.namespace.as_deref(), role.metadata.namespace), (Some("m"), None));
    }

    #[test]
    fn an_object_that_no_server_knows_owns_nothing() {
        let error = adopted(json!({"name": "a", "namespace": "n"}), json!({})).unwrap_err();
        assert_eq!(error, super::NO_IDENTITY);
    }

    #[test]
    fn labels_by_which_tools_find_what_they_have_made_are_not_passed_on() {
        let labels = json!({
            "app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "web",
            "argocd.argoproj.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "shop",
            "helm.toolkit.fluxcd.io/name": "shop", "applyset.kubernetes.io/part-of": "applyset-x-v1",
            "kapp.k14s.io/app": "1", "helm.sh/chart": "shop-1.0", "tier": "front", "example.com/argocd": "yes",
        });
        let owner = || json!({"name": "a", "namespace": "n", "uid": "1", "labels": labels});
        let passed = json!({"app.kubernetes.io/name": "web", "tier": "front", "example.com/argocd": "yes"});
        assert_eq!(adopted(owner(), json!({})).unwrap()["labels"], passed);
        let mut child = ConfigMap::default();
        let parent = Object::from(object::<ConfigMap>(owner()));
        parent.adopt_with_labels(&mut child, |key| key == "app.kubernetes.io/instance").unwrap();
        assert_eq!(
            child.metadata.labels.unwrap().into_keys().collect::<Vec<_>>(),
            ["app.kubernetes.io/instance"]
        );
    }
}
