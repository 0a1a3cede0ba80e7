//! Child objects: every `KopfExample` gets a ConfigMap of the same name, which follows its spec and is
//! deleted with it.
//!
//! Kopf's `kopf.adopt(child)` is `object.adopt(&mut child)`. It sets the namespace, the labels, an owner
//! reference and, if the child has none, the name. Because of the owner reference, the cluster deletes the
//! child after its owner, so there is no delete handler. The child is applied instead of created, so the
//! handler can be called any number of times, and one function with two attributes handles creations and
//! updates.
//!
//! ```sh
//! cargo test -p korf-examples --test children
//! cargo run --example 02-children -- crd | kubectl apply -f -
//! cargo run --example 02-children -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! kubectl get configmap kopf-example-1 -o yaml
//! kubectl patch kex kopf-example-1 --type=merge -p '{"spec": {"field": "other"}}'
//! ```

use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Object, ObjectNamespace, Result};
use kube::{
    Api, Client, CustomResource, ResourceExt,
    api::{Patch, PatchParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, process::ExitCode};

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

#[korf::on_create(KopfExample)]
#[korf::on_update(KopfExample)]
#[korf::needs(ConfigMap, create, patch)]
async fn make_child(example: Object<KopfExample>, namespace: ObjectNamespace, client: Client) -> Result {
    let data = BTreeMap::from([("field".to_owned(), example.spec.field.clone())]);
    let mut child = ConfigMap { data: Some(data), ..ConfigMap::default() };
    example.adopt(&mut child)?;
    let (children, name) = (Api::<ConfigMap>::namespaced(client, &namespace), child.name_any());
    children.patch(&name, &PatchParams::apply("children"), &Patch::Apply(&child)).await?;
    tracing::info!("ConfigMap {name} has {:?} now.", example.spec.field);
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("children")
}

#[cfg(test)]
mod tests {
    use super::*;
    use korf::Operator;
    use korf_testing::Cluster;
    use serde_json::json;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::of(|| Operator::new("children")).unwrap();
        cluster.create(&KopfExample::new("a", KopfExampleSpec { field: "value".into() })).unwrap();
        cluster
    }

    fn data(cluster: &Cluster) -> BTreeMap<String, String> {
        cluster.get::<ConfigMap>("a").unwrap().data.unwrap_or_default()
    }

    #[test]
    fn the_child_follows_its_owner() {
        let mut cluster = cluster();
        assert_eq!(data(&cluster)["field"], "value");
        cluster.patch::<KopfExample>("a", json!({"spec": {"field": "other"}})).unwrap();
        cluster.assert_logged("a", "ConfigMap a has \"other\" now.");
        assert_eq!(data(&cluster)["field"], "other");
        let owner = cluster.get::<ConfigMap>("a").unwrap().metadata.owner_references.unwrap().remove(0);
        assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("KopfExample", "a"));
    }

    #[test]
    fn what_others_add_to_the_child_stays_and_what_they_change_is_a_conflict() {
        let mut cluster = cluster();
        cluster.patch::<ConfigMap>("a", json!({"data": {"mine": "1"}})).unwrap();
        cluster.patch::<KopfExample>("a", json!({"spec": {"field": "other"}})).unwrap();
        assert_eq!((data(&cluster)["field"].as_str(), data(&cluster)["mine"].as_str()), ("other", "1"));

        cluster.patch::<ConfigMap>("a", json!({"data": {"field": "by hand"}})).unwrap();
        cluster.patch::<KopfExample>("a", json!({"spec": {"field": "third"}})).unwrap();
        cluster
            .assert_logged("a", "Apply failed with 1 conflict: conflict with \"user\" using v1: .data.field");
    }
}
