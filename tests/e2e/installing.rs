//! Installing: what the table operator's chart and kustomization install is what its command `manifests` prints, and Helm
//! installs, upgrades, tests and uninstalls it.
//!
//! The sandbox has no controllers and no kubelet: the test does for the Deployment and the test's Pod what these would do.

use crate::{
    fixture::{Cluster, Fixture, OperatorProcess, eventually, manifest},
    health::Health,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
};
use korf_sandbox::Error;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const NAME: &str = "database-table-operator";
/// The variable that makes a missing Go a failure.
const REQUIRED: &str = "KORF_REQUIRE_GO";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// helm, unless there is no Go to build it.
async fn helm() -> Option<PathBuf> {
    match korf_sandbox::helm().await {
        Ok(path) => Some(path),
        Err(Error::NoGo(need)) if std::env::var_os(REQUIRED).is_none() => {
            println!("SKIPPED: helm needs {need}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The output of a command that must succeed.
fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What the operator prints.
fn manifests(arguments: &[&str]) -> String {
    must(Command::new(env!("CARGO_BIN_EXE_database-table-operator")).arg("manifests").args(arguments))
}

/// Objects by kind, namespace and name; without what a chart marks as its own, and without what is left to the chart's values.
fn objects(documents: &str) -> BTreeMap<String, Value> {
    let documents = documents.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    let parsed = documents.filter_map(|document| serde_saphyr::from_str::<Value>(document).ok());
    let mut objects = BTreeMap::new();
    for mut object in parsed.filter(Value::is_object) {
        strip(&mut object);
        let metadata = &object["metadata"];
        if object["kind"] == "Pod" {
            continue;
        }
        let key = format!("{} {} {}", object["kind"], metadata["namespace"], metadata["name"]);
        objects.insert(key, object);
    }
    objects
}

fn strip(object: &mut Value) {
    let is_definition = object["kind"] == "CustomResourceDefinition";
    let pod = &mut object["spec"]["template"];
    if pod.is_object() {
        if let Some(container) = pod["spec"]["containers"][0].as_object_mut() {
            container.remove("imagePullPolicy");
        }
        strip_labels(&mut pod["metadata"]);
    }
    strip_labels(&mut object["metadata"]);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("annotations");
        if is_definition {
            metadata.remove("labels");
        }
    }
    if object["spec"].is_null()
        && let Some(object) = object.as_object_mut()
    {
        object.remove("spec");
    }
    // Rules with the same meaning: one for each resource, in any order.
    if let Some(rules) = object["rules"].as_array_mut() {
        rules.sort_by_key(ToString::to_string);
    }
}

fn strip_labels(metadata: &mut Value) {
    if let Some(labels) = metadata["labels"].as_object_mut() {
        labels.retain(|key, _| !["app.kubernetes.io/managed-by", "helm.sh/chart"].contains(&key.as_str()));
    }
}

#[test]
fn the_kustomization_and_the_files_of_the_chart_are_generated() {
    let header = "# Printed by `database-table-operator manifests`. To print it again:\n\
                  # UPDATE_MANIFESTS=1 cargo test --test e2e installing\n";
    for (copy, original) in [
        ("kustomization/operator.yaml", format!("{header}{}", manifests(&[]))),
        ("chart/files/admission.yaml", fs::read_to_string(path("manifests/admission.yaml")).unwrap()),
        ("chart/files/crd.yaml", fs::read_to_string(path("manifests/crd.yaml")).unwrap()),
        ("chart/files/rules.yaml", fs::read_to_string(path("monitoring/rules.yaml")).unwrap()),
        ("chart/files/dashboard.json", fs::read_to_string(path("monitoring/dashboard.json")).unwrap()),
    ] {
        if std::env::var_os("UPDATE_MANIFESTS").is_some() {
            fs::write(path(copy), &original).unwrap();
        }
        let written = fs::read_to_string(path(copy)).unwrap_or_default();
        assert!(written == original, "{copy} is stale: UPDATE_MANIFESTS=1 cargo test --test e2e installing");
    }
    let chart = fs::read_to_string(path("chart/Chart.yaml")).unwrap();
    for line in ["version", "appVersion"] {
        let line = format!("\n{line}: {}\n", env!("CARGO_PKG_VERSION"));
        assert!(chart.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn the_kustomization_is_what_the_operator_prints() {
    let cluster = Cluster::with_full_crd().await;
    let built = must(cluster.kubectl().arg("kustomize").arg(path("kustomization")));
    assert_eq!(objects(&built), objects(&manifests(&[])));
}

#[tokio::test]
async fn the_chart_is_what_the_operator_prints() {
    let Some(helm) = helm().await else { return };
    must(Command::new(&helm).args(["lint", "--strict"]).arg(path("chart")));
    let template = |arguments: &[&str]| {
        let mut command = Command::new(&helm);
        command.arg("template").arg("any").arg(path("chart")).args(["--namespace", "home"]).args(arguments);
        command
    };
    for (values, arguments) in [
        (&[][..], &[][..]),
        (&["--set=namespaces={a,b}"], &["-n", "a", "-n", "b"]),
        (&["--set=image.tag=v9,image.repository=r/x"], &["--image", "r/x:v9"]),
        (&["--set=replicas=1"], &["--replicas=1"]),
        (&["--set=replicas=3,shards=16"], &["--replicas=3", "--shards=16"]),
    ] {
        let printed = manifests(&[&["--operator-namespace", "home"], arguments].concat());
        let (of_chart, printed) = (objects(&must(&mut template(values))), objects(&printed));
        let keys = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&of_chart), keys(&printed), "{values:?}");
        for (key, object) in &of_chart {
            assert_eq!(object, &printed[key], "{values:?}: {key}");
        }
    }
    let all = must(&mut template(&["--set=monitoring.rules=true,monitoring.dashboard=true"]));
    assert!(all.contains("kind: PrometheusRule") && all.contains("grafana_dashboard: \"1\""), "{all}");
    secrets_are_granted_by_namespace(|values| objects(&must(&mut template(&["--set-json", values]))));
    monitoring_can_be_selected(&objects(&must(&mut template(&["--set-json", MONITORED]))));
    a_database_of_its_own_can_be_left_out(&template);
    more_of_the_pod_can_be_chosen(&objects(&must(&mut template(&["--set-json", MORE]))));
    // By a chart that has this one among its dependencies.
    must(&mut template(&["--set=enabled=true"]));
    let old = template(&["--kube-version=1.29"]).output().unwrap();
    assert!(!old.status.success() && text(&old).contains(">=1.30.0-0"), "{}", text(&old));
    for wrong in [
        "connectionSecrets[0].namespace=shop",
        "namespaces={Upper}",
        "database.port=0",
        "image.repository=",
        "replica=2",
        "shards=0",
        "extraArgs=x",
        "extraEnv[0].value=30",
        "extraVolumes[0].secret.secretName=ca",
        "extraVolumeMounts[0].name=ca",
        "podAnnotations.a=1",
        "monitoring.labels.a=1",
        "networkPolicy.extraEgress=x",
    ] {
        let output = template(&["--set", wrong]).output().unwrap();
        assert!(!output.status.success(), "{wrong}");
        assert!(
            text(&output).contains("values don't meet the specifications of the schema"),
            "{}",
            text(&output)
        );
    }
}

/// A role for each namespace, however its Secrets are listed.
fn secrets_are_granted_by_namespace(chart: impl Fn(&str) -> BTreeMap<String, Value>) {
    for (values, names) in [
        (r#"connectionSecrets=[{"namespace": "shop", "names": ["pg-app"]}]"#, json!(["pg-app"])),
        (
            r#"connectionSecrets=[{"namespace": "shop", "names": ["a"]}, {"namespace": "x", "names": ["c"]}, {"namespace": "shop", "names": ["b", "a"]}]"#,
            json!(["a", "b"]),
        ),
    ] {
        let rules = &chart(values)["\"Role\" \"shop\" \"database-table-operator-secrets\""]["rules"];
        let expected =
            json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}]);
        assert_eq!(*rules, expected);
    }
}

const MONITORED: &str =
    r#"monitoring={"rules": true, "podMonitor": true, "labels": {"release": "prometheus"}}"#;

/// By a Prometheus that selects what has its label.
fn monitoring_can_be_selected(objects: &BTreeMap<String, Value>) {
    let of = |kind: &str| {
        let found = objects.iter().find(|(key, _)| key.starts_with(&format!("\"{kind}\"")));
        found.unwrap_or_else(|| panic!("there is no {kind}")).1
    };
    for kind in ["PrometheusRule", "PodMonitor"] {
        assert_eq!(of(kind)["metadata"]["labels"]["release"], json!("prometheus"), "{kind}");
    }
    let pods = &of("PodMonitor")["spec"]["selector"]["matchLabels"];
    let pod = &of("Deployment")["spec"]["template"];
    for (label, value) in pods.as_object().unwrap() {
        assert_eq!(pod["metadata"]["labels"][label], *value);
    }
    let ports = &pod["spec"]["containers"][0]["ports"];
    assert_eq!(ports[0]["name"], of("PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"]);
}

/// A variable, an authority's certificate, a note for a service mesh, a database's port, and a user that the cluster chooses.
const MORE: &str = r#"networkPolicy.extraEgress=[{"ports": [{"port": 6432}]}],podSecurityContext.runAsUser=null,priorityClassName="high",extraEnv=[{"name": "PGSSLROOTCERT", "value": "/etc/ca/ca.crt"}],extraVolumes=[{"name": "ca", "secret": {"secretName": "pg-ca"}}],extraVolumeMounts=[{"name": "ca", "mountPath": "/etc/ca", "readOnly": true}],podAnnotations={"mesh/inject": "false"}"#;

fn a_database_of_its_own_can_be_left_out(template: &impl Fn(&[&str]) -> Command) {
    let pod = |values: &[&str]| {
        let objects = objects(&must(&mut template(values)));
        objects["\"Deployment\" \"home\" \"database-table-operator\""]["spec"]["template"]["spec"].clone()
    };
    let mut with = pod(&[]);
    let without = pod(&["--set=database.own=false"]);
    let container = &mut with["containers"][0];
    container["args"].as_array_mut().unwrap().push(json!("--no-own-database"));
    for key in ["env", "volumeMounts"] {
        container.as_object_mut().unwrap().remove(key).unwrap();
    }
    with.as_object_mut().unwrap().remove("volumes").unwrap();
    assert_eq!(without, with);
    let more = pod(&["--set=database.own=false", "--set-json", MORE]);
    let lists = [&more["containers"][0]["env"], &more["containers"][0]["volumeMounts"], &more["volumes"]];
    assert_eq!(lists.map(|list| list.as_array().map(Vec::len)), [Some(1); 3]);
}

fn more_of_the_pod_can_be_chosen(objects: &BTreeMap<String, Value>) {
    let pod = &objects["\"Deployment\" \"home\" \"database-table-operator\""]["spec"]["template"];
    assert_eq!(pod["metadata"]["annotations"], json!({"mesh/inject": "false"}));
    let user = &pod["spec"]["securityContext"];
    assert_eq!((&user["runAsUser"], &user["runAsNonRoot"]), (&Value::Null, &json!(true)));
    assert_eq!(pod["spec"]["priorityClassName"], json!("high"));
    let policy = &objects["\"NetworkPolicy\" \"home\" \"database-table-operator\""];
    let egress = policy["spec"]["egress"].as_array().unwrap();
    assert_eq!((egress.len(), &egress[2]), (3, &json!({"ports": [{"port": 6432}]})));
    let container = &pod["spec"]["containers"][0];
    // Behind those that the operator needs.
    for (list, name, more) in [
        (&container["env"], "DATABASE_URL_FILE", json!({"name": "PGSSLROOTCERT", "value": "/etc/ca/ca.crt"})),
        (
            &container["volumeMounts"],
            "secrets",
            json!({"name": "ca", "mountPath": "/etc/ca", "readOnly": true}),
        ),
        (&pod["spec"]["volumes"], "secrets", json!({"name": "ca", "secret": {"secretName": "pg-ca"}})),
    ] {
        let [own, chosen] = &**list.as_array().unwrap() else { panic!("{list}") };
        assert_eq!((&own["name"], chosen), (&json!(name), &more));
    }
}

#[tokio::test]
async fn helm_installs_tests_upgrades_and_uninstalls_the_operator() {
    let Some(helm) = helm().await else { return };
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "chart").await;
    let helm = |arguments: &[&str], chart: Option<&Path>| {
        let mut command = tokio::process::Command::new(&helm);
        command.env("KUBECONFIG", cluster.control_plane.kubeconfig()).args(arguments).args(chart);
        command.args(["--namespace", &fixture.namespace]);
        async move {
            let output = command.output().await.unwrap();
            assert!(output.status.success(), "{command:?}: {}", text(&output));
            text(&output)
        }
    };
    let url = format!("--from-literal=DATABASE_URL={}", fixture.database.url());
    must(fixture.kubectl().args(["create", "secret", "generic", NAME, &url]));

    let chart = path("chart");
    let install = helm(&["install", "tables", "--wait", "--timeout=60s"], Some(&chart));
    let (installed, operator) = tokio::join!(install, run_pod(&fixture));
    println!("{installed}");
    assert!(installed.contains("STATUS: deployed"), "{installed}");
    assert!(installed.contains("helm test tables --namespace chart"), "{installed}");
    fixture.apply(&manifest("table", "charted", &["id"]));
    fixture.until_ready("table").await;

    let health = Health::of(&operator).await;
    let test = helm(&["test", "tables", "--timeout=60s"], None);
    let (tested, ()) = tokio::join!(test, run_test(&fixture, &health));
    assert!(tested.contains("Succeeded"), "{tested}");

    let changed = changed_chart(&chart);
    let upgrade = helm(&["upgrade", "tables", "--wait", "--timeout=60s"], Some(&changed));
    upgrade.await;
    let columns = "jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}";
    let columns = must(cluster.kubectl().args(["get", "crd", "databasetables.kopf.demo", "-o", columns]));
    assert!(columns.ends_with(" Upgraded"), "{columns}");
    fixture.apply(&manifest("table", "charted", &["id", "more"]));
    fixture.until_column_count("table", 2).await;

    helm(&["uninstall", "tables"], None).await;
    drop(operator);
    // What is left: the CRD with its objects, and what the chart hasn't made.
    fixture.table("table").await.unwrap();
    let left = must(fixture.kubectl().args([
        "get",
        "deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,configmaps,secrets",
        "-o",
        "name",
    ]));
    assert_eq!(left.trim(), format!("secret/{NAME}"));
    let left = must(cluster.kubectl().args(["get", "clusterroles,clusterrolebindings", "-o", "name"]));
    assert!(!left.contains(NAME), "{left}");
}

/// Runs the operator as the pod of the Deployment would, once there is one, and reports the Deployment as available.
async fn run_pod(fixture: &Fixture<'_>) -> OperatorProcess {
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let deployments = Api::<Deployment>::namespaced(client.clone(), &fixture.namespace);
    let found = async || deployments.get_opt(NAME).await.unwrap();
    let deployment = eventually("there is a Deployment", found, Option::is_some).await.unwrap();
    let pod = json!(deployment)["spec"]["template"]["spec"].clone();
    let container = &pod["containers"][0];
    let secret = &pod["volumes"][0]["secret"];
    let secrets = Api::<Secret>::namespaced(client, &fixture.namespace);
    let secret = secrets.get(secret["secretName"].as_str().unwrap()).await.unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chart-database-url");
    fs::write(&file, &secret.data.unwrap()["DATABASE_URL"].0).unwrap();
    let account = format!(
        "system:serviceaccount:{}:{}",
        fixture.namespace,
        pod["serviceAccountName"].as_str().unwrap()
    );
    let kubeconfig =
        fixture.cluster.control_plane.kubeconfig_for(&account, &["system:serviceaccounts"], None).unwrap();
    let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let arguments =
        arguments.into_iter().skip(1).map(|argument| argument.replace("0.0.0.0:8080", "127.0.0.1:0"));
    // In a pod, that is the default.
    let arguments = arguments.chain([format!("--lease-namespace={}", fixture.namespace)]);
    let operator = fixture
        .operator()
        .env_remove("DATABASE_URL")
        .env(container["env"][0]["name"].as_str().unwrap(), &file)
        .env("KUBECONFIG", kubeconfig)
        .only(arguments)
        .start();
    let health = Health::of(&operator).await;
    eventually("it is ready", async || health.ask("/readyz").0, |code| *code == 200).await;
    let condition = |kind: &str, reason: &str| {
        let time = "2026-01-01T00:00:00Z";
        json!({"type": kind, "status": "True", "reason": reason, "lastUpdateTime": time, "lastTransitionTime": time})
    };
    let replicas = deployment.spec.replicas;
    let status = json!({
        "observedGeneration": deployment.metadata.generation, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
    });
    let status = Patch::Merge(json!({"status": status}));
    deployments.patch_status(NAME, &PatchParams::default(), &status).await.unwrap();
    operator
}

/// Does what the chart's test says: it asks the operator whether it is ready.
async fn run_test(fixture: &Fixture<'_>, health: &Health) {
    let client = fixture.cluster.control_plane.client().await.unwrap();
    let pods = Api::<Pod>::namespaced(client, &fixture.namespace);
    let found = async || pods.list(&Default::default()).await.unwrap().items.pop();
    let pod = eventually("there is a Pod", found, Option::is_some).await.unwrap();
    let command = &json!(pod)["spec"]["containers"][0]["command"];
    let url = command.as_array().unwrap().last().unwrap().as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{NAME}.{}:8080", fixture.namespace)).unwrap();
    let (code, said) = health.ask(path);
    assert_eq!(code, 200, "{said}");
    let status = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &status).await.unwrap();
}

/// A copy of the chart with another CRD.
fn changed_chart(chart: &Path) -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed-chart");
    let _ = fs::remove_dir_all(&copy);
    must(Command::new("cp").arg("-r").arg(chart).arg(&copy));
    let file = copy.join("files/crd.yaml");
    let mut crd: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array_mut().unwrap();
    columns.push(json!({"name": "Upgraded", "type": "string", "jsonPath": ".metadata.uid"}));
    fs::write(&file, serde_saphyr::to_string(&crd).unwrap()).unwrap();
    copy
}
