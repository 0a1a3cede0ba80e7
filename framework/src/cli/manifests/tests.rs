use super::*;
use crate::{
    AnyKind, EventRecorder, Name, ObjectPatch, Result, Status, SubHandlers, daemon,
    handler::{Handler, Need, Registry},
    index, on_create, on_delete, on_event, on_startup, timer, watches,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Secret},
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced, status = "TableStatus")]
struct TableSpec {}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct TableStatus {}

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Region")]
struct RegionSpec {}

async fn nothing() -> Result {
    Ok(())
}

async fn changes(_patch: ObjectPatch) {}

async fn posts(_events: EventRecorder) {}

async fn fans_out(_subs: SubHandlers<ConfigMap>) {}

async fn replies() -> Result<Status<TableStatus>> {
    Ok(Status(TableStatus {}))
}

fn options(line: &str) -> Manifests {
    let mut options = Manifests {
        named: Vec::new(),
        all: false,
        operator_namespace: "home".to_owned(),
        image: Some("image".to_owned()),
        replicas: None,
        leader_elect: false,
        shards: None,
        peering: None,
    };
    options.named.extend(line.split_whitespace().map(str::to_owned));
    options
}

fn program(handlers: impl IntoIterator<Item = Handler>) -> Program {
    Operator::with_registry("op", Registry::from_iter(handlers)).into()
}

fn made(program: &Program, options: &Manifests) -> Vec<Value> {
    let site = Site::new(program, options).unwrap();
    objects(&site, grants::of(program.operator.registry(), &site))
}

/// The rules of all roles, one a line: the namespace, or `*`; then what, and which verbs.
fn rules(program: &Program, options: &Manifests) -> Vec<String> {
    let roles = made(program, options).into_iter().filter(|object| object["rules"].is_array());
    let words = |list: &Value| {
        let list = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        list.collect::<Vec<_>>().join(",")
    };
    let mut lines = Vec::new();
    for role in roles {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in role["rules"].as_array().unwrap() {
            let names = words(&rule["resourceNames"]);
            let names = if names.is_empty() { names } else { format!("[{names}]") };
            let group = words(&rule["apiGroups"]);
            let dot = if group.is_empty() { "" } else { "." };
            let resource = words(&rule["resources"]);
            lines.push(format!("{namespace} {resource}{dot}{group}{names}: {}", words(&rule["verbs"])));
        }
    }
    lines
}

#[test]
fn what_handlers_do_by_their_family_arguments_and_results_is_granted_and_nothing_else() {
    const EVENTS: &str = "* events.events.k8s.io: create";
    let pairs = || Some((1, 1));
    let target = || None::<crate::ObjectRef<Table>>;
    let cases: [(Handler, &[&str]); 16] = [
        (index::<ConfigMap>("a").run(pairs), &["* configmaps: list,watch"]),
        (watches::<ConfigMap, Table>("a").run(target), &["* configmaps: list,watch"]),
        (on_event::<ConfigMap>("a").run(nothing), &["* configmaps: get,list,watch"]),
        (
            timer::<ConfigMap>("a", Duration::from_secs(1)).run(nothing),
            &["* configmaps: get,list,watch", EVENTS],
        ),
        (daemon::<ConfigMap>("a").run(nothing), &["* configmaps: get,list,watch", EVENTS]),
        (daemon::<ConfigMap>("a").finalizer().run(nothing), &["* configmaps: get,list,watch,patch", EVENTS]),
        (on_event::<ConfigMap>("a").run(posts), &["* configmaps: get,list,watch", EVENTS]),
        (
            on_event::<ConfigMap>("a").run(changes),
            &["* configmaps: get,list,watch,patch", "* configmaps/status: patch"],
        ),
        (on_create::<ConfigMap>("a").run(nothing), &["* configmaps: get,list,watch,patch", EVENTS]),
        (
            on_create::<ConfigMap>("a").run(fans_out),
            &["* configmaps: get,list,watch,patch", "* configmaps/status: patch", EVENTS],
        ),
        (
            on_delete::<Table>("a").definition().run(replies),
            &[EVENTS, "* tables.korf.dev: get,list,watch,patch", "* tables/status.korf.dev: patch"],
        ),
        // Its status has a subresource, so there is nothing else to write.
        (
            on_event::<Table>("a").definition().run(replies),
            &["* tables.korf.dev: get,list,watch", "* tables/status.korf.dev: patch"],
        ),
        (
            on_event::<Table>("a").run(replies),
            &["* tables.korf.dev: get,list,watch,patch", "* tables/status.korf.dev: patch"],
        ),
        // Its status has none.
        (on_event::<Region>("a").definition().run(changes), &["* regions.korf.dev: get,list,watch,patch"]),
        (on_event::<AnyKind>("a").group("apps").run(nothing), &["* *.apps: get,list,watch"]),
        (
            on_event::<ConfigMap>("a").call(async |_| Ok(crate::handler::Reply::Nothing)),
            &["* configmaps: get,list,watch,patch", "* configmaps/status: patch", EVENTS],
        ),
    ];
    for (handler, expected) in cases {
        let title = format!("{handler:?}");
        assert_eq!(rules(&program([handler]), &options("")), expected, "{title}");
    }
}

#[test]
fn roles_are_where_the_operator_works() {
    let handlers = || {
        program([
            on_event::<ConfigMap>("a").run(nothing),
            on_create::<Region>("b").needs(Need::of::<Secret>(["get"])).run(nothing),
        ])
    };
    for (served, expected) in [
        (
            "",
            &[
                "* configmaps: get,list,watch",
                "* secrets: get",
                "* regions.korf.dev: get,list,watch,patch",
                "default events.events.k8s.io: create",
            ][..],
        ),
        (
            "a b",
            &[
                "* regions.korf.dev: get,list,watch,patch",
                "a configmaps: get,list,watch",
                "a namespaces: get",
                "a secrets: get",
                "b configmaps: get,list,watch",
                "b namespaces: get",
                "b secrets: get",
                "default events.events.k8s.io: create",
            ],
        ),
        (
            "team-*,!team-x here",
            &[
                "* configmaps: get,list,watch",
                "* namespaces: list,watch",
                "* namespaces[here]: get",
                "* secrets: get",
                "* regions.korf.dev: get,list,watch,patch",
                "default events.events.k8s.io: create",
            ],
        ),
    ] {
        assert_eq!(rules(&handlers(), &options(served)), expected, "{served}");
    }
}

#[test]
fn needs_are_joined_and_what_a_wider_one_grants_is_not_granted_twice() {
    let kube_system = || Need::of::<Namespace>(["get"]).named("kube-system");
    for (needs, expected) in [
        (vec![kube_system()], &["* namespaces[kube-system]: get"][..]),
        (vec![kube_system(), Need::of::<Namespace>(["get"])], &["* namespaces: get"]),
        (
            vec![kube_system(), kube_system().named("a")],
            &["* namespaces[kube-system]: get", "* namespaces[kube-system,a]: get"],
        ),
        (
            vec![Need::of::<Secret>(["create", "get"]), Need::of::<Secret>(["watch"])],
            &["served secrets: get,watch,create"],
        ),
        (
            vec![Need::of::<Secret>(["get"]), Need::of::<Secret>(["get", "list"]).everywhere()],
            &["* secrets: get,list"],
        ),
        (
            vec![Need::of::<Secret>(["get"]), Need::of::<Secret>(["get", "list"]).namespace("served")],
            &["served secrets: get", "served secrets: list"],
        ),
        (
            vec![Need::of::<Deployment>(["patch"]).subresource("scale").namespace("other")],
            &["other deployments/scale.apps: patch"],
        ),
    ] {
        let mut registry = Registry::from_iter([on_event::<ConfigMap>("a").run(nothing)]);
        needs.into_iter().for_each(|need| registry.add_need(need));
        let program = Operator::with_registry("op", registry).into();
        let mut rules = rules(&program, &options("served"));
        rules.retain(|rule| rule != "served configmaps: get,list,watch" && rule != "served namespaces: get");
        assert_eq!(rules, expected);
    }
}

#[test]
fn needs_are_declared_by_handlers_activities_and_attributes() {
    #[korf::needs(Secret, get, list, name = "a", operator = "manifest-tests")]
    async fn prepare(_name: Name) {}

    let _ = prepare;
    let startup = on_startup("a").needs(Need::of::<Secret>(["watch"])).run(nothing);
    let handler = on_event::<ConfigMap>("a").needs(Need::of::<Secret>(["patch"])).run(nothing);
    let operator = Operator::new("manifest-tests").handler(handler).activity(startup);
    let found = rules(&operator.into(), &options(""));
    for rule in ["* secrets: watch,patch", "* secrets[a]: get,list"] {
        assert!(found.iter().any(|found| found == rule), "{found:?}");
    }
    let other = rules(&Operator::new("another").into(), &options(""));
    assert!(!other.iter().any(|found| found.contains("[a]")), "{other:?}");
}

#[test]
fn a_storage_in_the_status_needs_the_status_and_the_definition() {
    let of = |operator: Operator| {
        let handlers =
            [on_create::<Table>("a").definition().run(nothing), on_create::<ConfigMap>("b").run(nothing)];
        let operator = handlers.into_iter().fold(operator, Operator::handler);
        rules(&operator.into(), &options(""))
    };
    let operator = || Operator::with_registry("op", Registry::default());
    let more = [
        "* configmaps/status: patch",
        "* customresourcedefinitions.apiextensions.k8s.io[tables.korf.dev]: get",
        "* tables/status.korf.dev: patch",
    ];
    let (plain, stored) = (of(operator()), of(operator().status_storage()));
    assert_eq!(
        stored.iter().filter(|rule| !plain.contains(rule)).collect::<Vec<_>>(),
        more.iter().collect::<Vec<_>>()
    );
}

#[test]
fn a_peering_is_granted_by_its_name_where_its_objects_are() {
    let program = program([on_create::<ConfigMap>("c").run(nothing)]);
    for (namespaces, plural) in [("", "clusterkopfpeerings"), ("a", "kopfpeerings")] {
        let options = Manifests { peering: Some("peers".to_owned()), ..options(namespaces) };
        let rules = rules(&program, &options);
        let of_peering: Vec<_> = rules.iter().filter(|rule| rule.contains("peerings")).collect();
        assert_eq!(of_peering.len(), 2, "{rules:#?}");
        for rule in of_peering {
            assert!(rule.contains(plural) && rule.contains("patch") && rule.contains("peers"), "{rule}");
        }
        let made = made(&program, &options);
        let deployment = made.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert!(container["args"].as_array().unwrap().contains(&json!("--peering=peers")), "{container}");
        assert_eq!(container["env"][0]["name"], "POD_ID");
    }
    assert!(rules(&program, &options("")).iter().all(|rule| !rule.contains("peerings")));
}

#[test]
fn bindings_name_their_role_and_the_account_of_the_deployment() {
    let program = program([on_create::<Region>("a").run(nothing), on_event::<ConfigMap>("b").run(nothing)]);
    let objects = made(&program, &options("served"));
    let bindings: Vec<_> = objects.iter().filter(|object| object["subjects"].is_array()).collect();
    assert_eq!(bindings.len(), 3);
    for binding in bindings {
        let role = objects.iter().find(|object| {
            object["kind"] == binding["roleRef"]["kind"]
                && object["metadata"]["name"] == binding["roleRef"]["name"]
                && object["metadata"]["namespace"] == binding["metadata"]["namespace"]
        });
        assert!(role.is_some(), "{binding}");
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "op", "namespace": "home"}])
        );
    }
    assert!(
        objects
            .iter()
            .any(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "op.home")
    );
}

#[test]
fn the_deployment_has_what_the_program_says() {
    let installation = Installation::new()
        .secret("TOKEN", "token")
        .secret_file("URL_FILE", "url")
        .reaches(5432)
        .starts_within(Duration::from_secs(61));
    let program =
        program([on_event::<ConfigMap>("a").run(nothing)]).version("1.2.3").installation(installation);
    let objects = made(&program, &options("a b,!c"));
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let pod = &of("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "image");
    assert_eq!(
        container["args"],
        json!([
            "run",
            "--namespace=a",
            "--namespace=b,!c",
            "--health-addr=0.0.0.0:8080",
            "--metrics-addr=0.0.0.0:8080"
        ])
    );
    assert_eq!(
        container["env"],
        json!([
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "op", "key": "token"}}},
            {"name": "URL_FILE", "value": "/etc/korf/secrets/url"},
        ])
    );
    assert_eq!(pod["volumes"][0]["secret"]["items"], json!([{"key": "url", "path": "url"}]));
    assert_eq!(container["startupProbe"]["failureThreshold"], 13);
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    let ports = &of("NetworkPolicy")["spec"]["egress"][1]["ports"];
    assert_eq!(ports[2], json!({"protocol": "TCP", "port": 5432}));
    let all = made(&program, &options(""));
    let deployment = all.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["args"],
        json!(["run", "--all-namespaces", "--health-addr=0.0.0.0:8080", "--metrics-addr=0.0.0.0:8080"])
    );
}

#[test]
fn an_image_that_is_not_given_is_a_placeholder_and_is_said_to_be_one() {
    let program = program([on_event::<ConfigMap>("a").run(nothing)]).version("1.2.3");
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    print(&program, &Manifests { image: None, ..options("") }, &mut out, &mut notes).unwrap();
    let (out, notes) = (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap());
    assert!(out.contains("image: ghcr.io/your-organization/op:1.2.3\n"), "{out}");
    assert!(
        notes.contains("The image ghcr.io/your-organization/op:1.2.3 is a placeholder: say --image."),
        "{notes}"
    );
    let kinds: Vec<_> = out.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(
        kinds,
        ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Service", "NetworkPolicy", "Deployment"]
    );
}

#[test]
fn replicas_elect_who_works_and_are_updated_one_after_the_other() {
    let leases = "home leases.coordination.k8s.io: get,list,watch,create,patch,delete";
    let program = || {
        let installation = Installation::new().replicas(2);
        program([on_event::<ConfigMap>("a").run(nothing)]).installation(installation)
    };
    let four = || Some("4".parse().unwrap());
    for (options, replicas, argument) in [
        (options(""), 2, "--leader-elect"),
        (Manifests { replicas: Some(3), shards: four(), ..options("") }, 3, "--shards=4"),
        (Manifests { replicas: Some(1), ..options("") }, 1, ""),
        (Manifests { replicas: Some(1), leader_elect: true, ..options("") }, 1, "--leader-elect"),
    ] {
        let objects = made(&program(), &options);
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let spec = &deployment["spec"];
        let arguments = spec["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
        let found = arguments
            .iter()
            .filter_map(Value::as_str)
            .find(|argument| argument.starts_with("--leader-elect") || argument.starts_with("--shards"));
        assert_eq!(found.unwrap_or_default(), argument);
        assert_eq!(spec["replicas"], replicas);
        let strategy = if argument.is_empty() { "Recreate" } else { "RollingUpdate" };
        assert_eq!(spec["strategy"]["type"], strategy);
        let has_budget = objects.iter().any(|object| object["kind"] == "PodDisruptionBudget");
        assert_eq!(has_budget, replicas > 1);
        let rules = rules(&program(), &options);
        assert_eq!(rules.iter().any(|rule| rule == leases), !argument.is_empty(), "{rules:?}");
    }
}
