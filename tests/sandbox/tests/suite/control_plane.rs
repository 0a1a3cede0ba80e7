use std::path::Path;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use korf_sandbox::Sandbox;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

/// The administrator's configuration, changed.
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
async fn the_administrator_may_do_all_and_a_stranger_nothing() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let administrator = control_plane.client().await.unwrap();
    assert!(list_namespaces(administrator).await.unwrap() >= 4);

    let stranger =
        client_with(control_plane.kubeconfig(), |config| config.auth_info = Default::default()).await;
    let answer = list_namespaces(stranger).await;
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
async fn a_restricted_user_may_do_what_rbac_gives_to_the_name_or_the_group() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let user = control_plane.kubeconfig_for("alice", &[], None).unwrap();
    let member = control_plane.kubeconfig_for("bob", &["readers"], None).unwrap();
    let member_of_two = control_plane.kubeconfig_for("carol", &["others", "readers"], None).unwrap();
    for kubeconfig in [&user, &member, &member_of_two] {
        let answer = list_namespaces(control_plane.client_by(kubeconfig).await.unwrap()).await;
        assert!(is_forbidden(&answer), "{answer:?}");
    }

    let client = control_plane.client().await.unwrap();
    let roles = Api::<ClusterRole>::all(client.clone());
    roles.create(&PostParams::default(), &namespace_reader()).await.unwrap();
    let binding = binding_of("namespace-reader", &[("User", "alice"), ("Group", "readers")]);
    Api::<ClusterRoleBinding>::all(client).create(&PostParams::default(), &binding).await.unwrap();
    for kubeconfig in [&user, &member, &member_of_two] {
        let client = control_plane.client_by(kubeconfig).await.unwrap();
        crate::until("the binding works", async || list_namespaces(client.clone()).await.is_ok()).await;
    }
}

/// Not `view`: its rules are put together by the controller-manager, and there is none.
fn namespace_reader() -> ClusterRole {
    let strings = |one: &str| vec![one.to_owned()];
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
async fn kubectl_comes_configured() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let output = control_plane.kubectl().unwrap().args(["auth", "whoami"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("korf-sandbox-admin") && said.contains("system:masters"), "{output:?}");
}

#[tokio::test]
async fn requests_are_counted_by_verb_and_subresource() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let before = control_plane.requests("configmaps").await.unwrap();
    let namespace = control_plane.create_namespace("counting").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(control_plane.client().await.unwrap(), &namespace);
    let map = ConfigMap { metadata: named("counted"), ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    for value in ["1", "2"] {
        let patch = Patch::Merge(json!({ "data": { "key": value } }));
        maps.patch("counted", &PatchParams::default(), &patch).await.unwrap();
    }
    let after = control_plane.requests("configmaps").await.unwrap();
    let made = |verb: &str| {
        let key = (verb.to_owned(), String::new());
        after.get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    assert_eq!((made("POST"), made("PATCH"), made("DELETE")), (1, 2, 0));
}
