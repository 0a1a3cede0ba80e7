//! What is wrong at the start: said in one line; waited for where waiting can mend it.

use crate::stage::{Cluster, Crd, Operator, Stage, condition, manifest};
use serde_json::Value;
use std::path::Path;

const RBAC: &str = include_str!("../../operator/manifests/rbac.yaml");

/// What belongs to a developer's screen and to nobody else's.
const DUMPS: [&str; 8] =
    ["panicked", "stack backtrace", "{ kind:", "Error {", "Error(", "Err(", "Some(", "Os {"];

/// The lines of these levels, after a look at all lines for what nobody should see.
fn complaints(operator: &Operator) -> Vec<String> {
    let lines = operator.lines();
    for line in &lines {
        assert!(!DUMPS.iter().any(|dump| line.contains(dump)), "{line}");
    }
    lines.into_iter().filter(|line| line.contains("[ERROR") || line.contains("[WARNING")).collect()
}

#[tokio::test]
async fn what_only_a_person_can_mend_ends_the_operator_with_one_line_that_says_what_to_do() {
    let stage = Stage::new("no-start").await;
    let url = stage.database.url();
    let wrong_password = url.replace(&stage.database.password, "wrong");
    let no_database = url.replace("/no_start?", "/nowhere?");
    let no_kubeconfig = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let start = || stage.operator().terse().without("PGHOST").without("KUBERNETES_SERVICE_HOST");
    let cluster = "there is no cluster to log in to; set KUBECONFIG to a kubeconfig file, or put one at ~/.kube/config, \
                   or run in a pod with a service account (";
    let refused = format!(
        "can't connect to database no_start at {} as no_start, sslmode disable: FATAL: password authentication \
         failed for user \"no_start\" (SQLSTATE 28P01). Check DATABASE_URL",
        stage.database.address
    );
    for (launch, said) in [
        (start().without("KUBECONFIG").env("HOME", "/nowhere"), cluster),
        (start().env("KUBECONFIG", "/nowhere/config"), cluster),
        (start().env("KUBECONFIG", no_kubeconfig), cluster),
        // Empty variables are as good as none: the namespaces are those of the command line.
        (start().everywhere().env("KORF_RUN_NAMESPACE", "").env("KUBECONFIG", "/nowhere/config"), cluster),
        (start().env("DATABASE_CONNECTIONS", "").env("KUBECONFIG", "/nowhere/config"), cluster),
        (start().env("DATABASE_URL", ""), "no database is given: set --database-url, DATABASE_URL or PGHOST"),
        (start().without("DATABASE_URL"), "no database is given: set --database-url, DATABASE_URL or PGHOST"),
        (
            start().env("DATABASE_URL", "nowhere"),
            "the database URL can't be parsed: it should look like postgres://",
        ),
        (start().env("DATABASE_URL", wrong_password), &refused),
        (
            start().env("DATABASE_URL", no_database),
            "as no_start, sslmode disable: FATAL: database \"nowhere\" does not exist (SQLSTATE 3D000). Check DATABASE_URL",
        ),
    ] {
        let mut operator = launch.start();
        assert_eq!(operator.exit().await.code(), Some(1), "{said}");
        let complaints = complaints(&operator);
        let [only] = &complaints[..] else { panic!("{said}: {complaints:#?}") };
        assert!(only.contains("[ERROR   ]") && only.contains(said), "{only}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_names_the_mistake() {
    let stage = Stage::new("usage").await;
    for (arguments, said) in [
        (&["--whatever"][..], "unexpected argument '--whatever' found"),
        (&["--namespace", "Not_A_Name"], "a namespace has 1 to 63 lower-case letters, digits and `-`"),
        (&["--all-namespaces"], "either --namespace or --all-namespaces can be used, not both"),
        (&["--quiet", "--verbose"], "only one of --verbose, --debug and --quiet can be used"),
        (&["--log-format", "xml"], "[possible values: plain, full, json]"),
        (&["--database-connections", "0"], "--database-connections"),
    ] {
        let launch = arguments.iter().fold(stage.operator().terse(), |launch, argument| launch.arg(argument));
        let mut operator = launch.start();
        assert_eq!(operator.exit().await.code(), Some(2), "{arguments:?}");
        let lines = operator.lines().join("\n");
        assert!(lines.contains(said), "{arguments:?}: {lines}");
    }
    let mut operator = stage.operator().terse().env("RUST_LOG", "a=loud").start();
    assert_eq!(operator.exit().await.code(), Some(2));
    let [line] = &operator.lines()[..] else { panic!("one line") };
    assert!(line.starts_with("error: RUST_LOG is not understood"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_down_at_the_start_is_waited_for() {
    let stage = Stage::new("database-down").await;
    let proxy = stage.database_proxy().await;
    proxy.cut();
    let operator = stage.operator().terse().database_through(&proxy).start();
    let said = operator.wait_for_line("No connection yet to database database_down at ").await;
    assert!(
        said.contains("[WARNING ]") && said.ends_with("Handlers are retried until there is one."),
        "{said}"
    );
    stage.apply(&manifest("early", "early", &["id"]));
    operator.wait_for_line("Handler 'create_handler' failed").await;
    proxy.restore();
    stage.until_ready("early").await;
    let attempts = operator.count("Create handler invoked") - 1;
    assert_eq!(complaints(&operator).len(), 1 + attempts, "one line at the start, and one for each attempt");
}

#[tokio::test]
async fn a_missing_crd_an_api_server_that_is_away_and_missing_permissions_are_waited_for() {
    let cluster = Cluster::without_the_crd().await;
    let (here, there) = (Stage::on(&cluster, "start-here").await, Stage::on(&cluster, "start-there").await);
    crd_is_missing(&here, &there).await;
    api_server_is_away(&here).await;
    permissions_are_missing(&here).await;
}

/// With all namespaces: two of them are served when the kind is there.
async fn crd_is_missing(here: &Stage<'_>, there: &Stage<'_>) {
    let operator = here.operator().terse().everywhere().start();
    let said = operator.wait_for_line("The API server doesn't know databasetables.v1.kopf.demo.").await;
    assert!(said.contains("[WARNING ]") && said.contains("Install its CRD"), "{said}");
    here.install(Crd::Seed.manifest());
    operator.wait_for_line("The API server knows databasetables.v1.kopf.demo now.").await;
    here.apply(&manifest("crd", "crd_here", &["id"]));
    there.apply(&manifest("crd", "crd_there", &["id"]));
    here.until_ready("crd").await;
    there.until_ready("crd").await;
    assert_eq!(complaints(&operator), [said]);
}

async fn api_server_is_away(stage: &Stage<'_>) {
    let control_plane = &stage.cluster.control_plane;
    control_plane.stop_api_server().await.unwrap();
    let operator = stage.operator().terse().start();
    let asking = format!("Asking the API server at https://{}/ about", control_plane.api_server_address());
    let said = operator.wait_for_line(&asking).await;
    assert!(said.contains("[WARNING ]") && said.contains("refused"), "{said}");
    control_plane.start_api_server().await.unwrap();
    stage.apply(&manifest("away", "away", &["id"]));
    stage.until_ready("away").await;
    let complaints = complaints(&operator);
    // A server that is starting has reasons of its own to refuse.
    assert!(complaints.len() <= 3, "{complaints:#?}");
}

async fn permissions_are_missing(stage: &Stage<'_>) {
    let kubeconfig = stage.cluster.control_plane.kubeconfig_for("somebody", &[], None).unwrap();
    let operator = stage.operator().terse().env("KUBECONFIG", kubeconfig).start();
    let said = operator.wait_for_line("Watching databasetables.v1.kopf.demo at").await;
    assert!(
        said.contains("[WARNING ]") && said.contains("cannot watch resource \"databasetables\""),
        "{said}"
    );
    stage.cluster.apply(RBAC);
    let bind = |role: &str| {
        let mut kubectl = stage.cluster.kubectl();
        kubectl.args(["create", "clusterrolebinding", &format!("{role}-for-somebody")]);
        kubectl.args([&format!("--clusterrole={role}"), "--user=somebody"]);
        assert!(kubectl.output().unwrap().status.success());
    };
    bind("database-table-operator");
    stage.apply(&manifest("permitted", "permitted", &["id"]));
    operator.wait_for_line("Watching databasetables.v1.kopf.demo works again.").await;
    let denied = |object: &Value| condition(object, "Synced") == ["False", "PermissionDenied"];
    let object = stage.until("permitted", "a permission is missing", denied).await;
    let why = object["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(why.contains("as manifests/rbac.yaml does, or set --cluster-id"), "{why}");
    bind("database-table-operator-cluster");
    // The first one is tried again after five minutes; the next one at once.
    stage.apply(&manifest("next", "next", &["id"]));
    stage.until_ready("next").await;
    let [watching, handling] = &complaints(&operator)[..] else { panic!("{:#?}", complaints(&operator)) };
    assert!(*watching == said && handling.contains(why), "{handling}");
}

#[tokio::test]
async fn without_the_right_to_write_the_operator_says_so_and_goes_on_when_it_has_it() {
    let stage = Stage::new("read-only").await;
    grant(&stage, "reader", "get,list,watch");
    stage.apply(&manifest("denied", "denied", &["id"]));
    let kubeconfig = stage.cluster.control_plane.kubeconfig_for("reader", &[], None).unwrap();
    let launch = stage.operator().terse().env("KUBECONFIG", kubeconfig);
    let operator = launch.env("CLUSTER_ID", "read-only").start();
    let said = operator.wait_for_line("The operator lacks a right that it needs: ").await;
    let why = "User \"reader\" cannot patch resource \"databasetables\" in API group \"kopf.demo\"";
    assert!(said.contains("[ERROR ") && said.contains(why), "{said}");
    grant(&stage, "writer", "patch");
    stage.apply(&manifest("denied", "denied", &["id", "more"]));
    stage.until_ready("denied").await;
    assert_eq!(complaints(&operator).iter().filter(|line| line.contains("lacks a right")).count(), 1);
}

/// Lets the user `reader` do something with tables.
fn grant(stage: &Stage<'_>, role: &str, verbs: &str) {
    let run = |arguments: &[&str]| {
        let output = stage.kubectl().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let verbs = format!("--verb={verbs}");
    run(&["create", "role", role, &verbs, "--resource=databasetables.kopf.demo"]);
    run(&["create", "rolebinding", role, &format!("--role={role}"), "--user=reader"]);
}
