use std::path::Path;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use korf_sandbox::Sandbox;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

/// A client with a changed configuration of the administrator.
async fn client_with(kubeconfig: &Path, change: impl FnOnce(&mut Config)) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    change(&mut config);
    Client::try_from(config).unwrap()
}

async fn list_namespaces(client: Client) -> kube::Result<usize> {
    Api::<Namespace>::all(client).list(&ListParams::default()).await.map(|list| list.items.len())
}

fn is_forbidden(result: &kube::Result<usize>) -> bool {
    matches!(result, Err(kube::Error::Api(status)) if status.code == 403)
}

#[tokio::test]
async fn the_administrator_has_all_permissions_and_a_user_without_credentials_has_none() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let administrator = control_plane.client().await.unwrap();
    assert!(list_namespaces(administrator).await.unwrap() >= 4);

    let anonymous =
        client_with(control_plane.kubeconfig(), |config| config.auth_info = Default::default()).await;
    let answer = list_namespaces(anonymous).await;
    assert!(is_forbidden(&answer), "{answer:?}");
}

#[tokio::test]
async fn the_certificate_is_checked_against_the_authority_in_the_kubeconfig() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let distrustful = client_with(control_plane.kubeconfig(), |config| config.root_cert = None).await;
    let error = list_namespaces(distrustful).await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
}

#[tokio::test]
async fn a_user_has_the_permissions_that_rbac_grants_to_the_name_or_a_group() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let user = control_plane.kubeconfig_for("alice", &[], None).unwrap();
    let member = control_plane.kubeconfig_for("bob", &["readers"], None).unwrap();
    let member_of_two = control_plane.kubeconfig_for("carol", &["others", "readers"], None).unwrap();
    for kubeconfig in [&user, &member, &member_of_two] {
        let answer = list_namespaces(control_plane.client_for(kubeconfig).await.unwrap()).await;
        assert!(is_forbidden(&answer), "{answer:?}");
    }

    let client = control_plane.client().await.unwrap();
    let roles = Api::<ClusterRole>::all(client.clone());
    roles.create(&PostParams::default(), &namespace_reader()).await.unwrap();
    let binding = binding_of("namespace-reader", &[("User", "alice"), ("Group", "readers")]);
    Api::<ClusterRoleBinding>::all(client).create(&PostParams::default(), &binding).await.unwrap();
    for kubeconfig in [&user, &member, &member_of_two] {
        let client = control_plane.client_for(kubeconfig).await.unwrap();
        crate::until("the binding works", async || list_namespaces(client.clone()).await.is_ok()).await;
    }
}

/// A role of our own, because the controller-manager, which isn't running, would have to aggregate the rules
/// of `view`.
fn namespace_reader() -> ClusterRole {
    let strings = |text: &str| vec![text.to_owned()];
    let rule = PolicyRule {
        api_groups: Some(strings("")),
        resources: Some(strings("namespaces")),
        verbs: strings("list"),
        ..PolicyRule::default()
    };
    ClusterRole { metadata: named("namespace-reader"), rules: Some(vec![rule]), ..ClusterRole::default() }
}

fn binding_of(role: &str, subjects: &[(&str, &str)]) -> ClusterRoleBinding {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let subject = |(kind, name): &(&str, &str)| Subject {
        api_group: Some(GROUP.into()),
        kind: kind.to_string(),
        name: name.to_string(),
        namespace: None,
    };
    ClusterRoleBinding {
        metadata: named(role),
        role_ref: RoleRef { api_group: Some(GROUP.into()), kind: "ClusterRole".into(), name: role.into() },
        subjects: Some(subjects.iter().map(subject).collect()),
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

#[tokio::test]
async fn kubectl_runs_as_the_administrator() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let output = control_plane.kubectl().unwrap().args(["auth", "whoami"]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("korf-sandbox-admin") && stdout.contains("system:masters"), "{output:?}");
}

#[tokio::test]
async fn requests_are_counted_by_verb_and_subresource() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    // The API server asks itself for one, soon after its start.
    let its_own = Api::<ConfigMap>::namespaced(control_plane.client().await.unwrap(), "kube-system");
    let is_there = async || its_own.get_opt("extension-apiserver-authentication").await.unwrap().is_some();
    crate::until("the API server has its ConfigMap", is_there).await;
    let before = control_plane.request_counts("configmaps").await.unwrap();
    let namespace = control_plane.create_namespace("counting").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(control_plane.client().await.unwrap(), &namespace);
    let map = ConfigMap { metadata: named("counted"), ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    for value in ["1", "2"] {
        let patch = Patch::Merge(json!({ "data": { "key": value } }));
        maps.patch("counted", &PatchParams::default(), &patch).await.unwrap();
    }
    let after = control_plane.request_counts("configmaps").await.unwrap();
    let increase = |verb: &str| {
        let key = (verb.to_owned(), String::new());
        after.get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    assert_eq!((increase("POST"), increase("PATCH"), increase("DELETE")), (1, 2, 0));
}
