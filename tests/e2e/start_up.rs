//! Problems at start-up. Each is reported in one line. The operator waits for those that may go away.

use crate::fixture::{Cluster, Crd, Fixture, OperatorProcess, condition, manifest};
use serde_json::Value;
use std::path::Path;

const RBAC: &str = include_str!("roles.yaml");

/// Texts that only developers understand, and that users should never see.
const DUMPS: [&str; 8] =
    ["panicked", "stack backtrace", "{ kind:", "Error {", "Error(", "Err(", "Some(", "Os {"];

/// The warnings and errors in the log. Also checks all lines for dumps.
fn problems(operator: &OperatorProcess) -> Vec<String> {
    let lines = operator.lines();
    for line in &lines {
        assert!(!DUMPS.iter().any(|dump| line.contains(dump)), "{line}");
    }
    lines.into_iter().filter(|line| line.contains("[ERROR") || line.contains("[WARNING")).collect()
}

#[tokio::test]
async fn wrong_settings_end_the_operator_with_one_line_that_says_how_to_fix_them() {
    let fixture = Fixture::new("no-start").await;
    let url = fixture.database.url();
    let without_password = url.replace(&format!(":{}@", fixture.database.password), "@");
    let no_database_given = "no database is given: set --database-url, DATABASE_URL, DATABASE_URL_FILE or PGHOST, or --no-own-database if each object";
    let no_kubeconfig = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let start =
        || fixture.operator().not_verbose().env_remove("PGHOST").env_remove("KUBERNETES_SERVICE_HOST");
    let no_cluster = "no cluster to connect to: set KUBECONFIG to a kubeconfig file, or put one at ~/.kube/config, \
                   or run in a pod with a service account (";
    for (command, expected) in [
        (start().env_remove("KUBECONFIG").env("HOME", "/nowhere"), no_cluster),
        (start().env("KUBECONFIG", "/nowhere/config"), no_cluster),
        (start().env("KUBECONFIG", no_kubeconfig), no_cluster),
        // Empty variables count as unset, so these namespaces are those of the command line.
        (
            start().all_namespaces().env("KORF_RUN_NAMESPACE", "").env("KUBECONFIG", "/nowhere/config"),
            no_cluster,
        ),
        (start().env("DATABASE_CONNECTIONS", "").env("KUBECONFIG", "/nowhere/config"), no_cluster),
        (start().env("DATABASE_URL", ""), no_database_given),
        (start().env("DATABASE_URL", "").env("DATABASE_URL_FILE", ""), no_database_given),
        (start().env_remove("DATABASE_URL"), no_database_given),
        (
            start().arg("--no-own-database"),
            "both a database and --no-own-database (NO_OWN_DATABASE) are given: leave out the one, or the other",
        ),
        (
            start().env("DATABASE_URL_FILE", "/nowhere/url"),
            "both a database URL and a file with one are given: use either DATABASE_URL",
        ),
        (
            start().env("DATABASE_URL", "").env("DATABASE_URL_FILE", "/nowhere/url"),
            "the database URL's file /nowhere/url can't be used: No such file or directory",
        ),
        (
            start().env("DATABASE_URL", without_password).env("PGPASSFILE", "/nowhere/passwords"),
            "the password file /nowhere/passwords can't be used: No such file or directory",
        ),
        (
            start().env("DATABASE_URL", "nowhere"),
            "the database URL can't be parsed: it should look like postgres://",
        ),
    ] {
        let mut operator = command.start();
        assert_eq!(operator.wait().await.code(), Some(1), "{expected}");
        let problems = problems(&operator);
        let [only] = &problems[..] else { panic!("{expected}: {problems:#?}") };
        assert!(only.contains("[ERROR   ]") && only.contains(expected), "{only}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_exits_with_2_and_names_the_mistake() {
    let fixture = Fixture::new("usage").await;
    for (arguments, expected) in [
        (&["--whatever"][..], "unexpected argument '--whatever' found"),
        (&["--namespace", "Not_A_Name"], "its name has 1 to 63 lower-case letters, digits and `-`"),
        (&["--all-namespaces"], "either --namespace or --all-namespaces can be used, not both"),
        (&["--quiet", "--verbose"], "only one of --verbose, --debug and --quiet can be used"),
        (&["--log-format", "xml"], "[possible values: plain, full, json]"),
        (&["--database-connections", "1"], "1 is not in 3..=65535"),
        (
            &["--set=queueing.reminder=0s"],
            "the setting `queueing.reminder` can't be 0s: give it at least 1ms",
        ),
        (
            &["--set=health.contact_limit=30s"],
            "error: the setting `health.contact_limit` can't be 30s: it has to be longer than `watching.silence`, which is \
             90s: raise it, or lower that",
        ),
    ] {
        let command = arguments
            .iter()
            .fold(fixture.operator().by_administrator().not_verbose(), |command, argument| {
                command.arg(argument)
            });
        let mut operator = command.start();
        assert_eq!(operator.wait().await.code(), Some(2), "{arguments:?}");
        let lines = operator.lines().join("\n");
        assert!(lines.contains(expected), "{arguments:?}: {lines}");
    }
    let mut operator = fixture.operator().not_verbose().env("RUST_LOG", "a=loud").start();
    assert_eq!(operator.wait().await.code(), Some(2));
    let [line] = &operator.lines()[..] else { panic!("one line") };
    assert!(line.starts_with("error: RUST_LOG is invalid"), "{line}");
}

#[tokio::test]
async fn the_operator_waits_for_a_database_that_is_down_at_start_up() {
    let fixture = Fixture::new("database-down").await;
    let proxy = fixture.database_proxy().await;
    proxy.cut();
    let operator = fixture.operator().not_verbose().database_through(&proxy).start();
    let warning = operator.wait_for_line("No connection yet to database database_down at ").await;
    assert!(
        warning.contains("[WARNING ]") && warning.ends_with("Handlers are retried until there is one."),
        "{warning}"
    );
    fixture.apply(&manifest("early", "early", &["id"]));
    let error = operator.wait_for_line("Handlers wait for that").await;
    proxy.restore();
    fixture.until_ready("early").await;
    assert_eq!(problems(&operator), [warning, error], "one line at start-up, and one for all attempts");
}

#[tokio::test]
async fn the_operator_waits_for_a_missing_crd_an_unreachable_api_server_and_missing_permissions() {
    let cluster = Cluster::without_crd().await;
    let (here, there) =
        (Fixture::on(&cluster, "start-here").await, Fixture::on(&cluster, "start-there").await);
    crd_is_missing(&here, &there).await;
    api_server_is_unreachable(&here).await;
    permissions_are_missing(&here).await;
}

/// The operator serves all namespaces here. Once the CRD is installed, it handles objects in both.
async fn crd_is_missing(here: &Fixture<'_>, there: &Fixture<'_>) {
    let operator = here.operator().not_verbose().all_namespaces().start();
    let warning = operator.wait_for_line("The API server doesn't know databasetables.v1.kopf.demo.").await;
    assert!(warning.contains("[WARNING ]") && warning.contains("Install its CRD"), "{warning}");
    here.install(Crd::KopfDemo.manifest());
    operator.wait_for_line("The API server knows databasetables.v1.kopf.demo now.").await;
    here.apply(&manifest("crd", "crd_here", &["id"]));
    there.apply(&manifest("crd", "crd_there", &["id"]));
    here.until_ready("crd").await;
    there.until_ready("crd").await;
    assert_eq!(problems(&operator), [warning]);
}

async fn api_server_is_unreachable(fixture: &Fixture<'_>) {
    let control_plane = &fixture.cluster.control_plane;
    control_plane.stop_api_server().await.unwrap();
    let operator = fixture.operator().by_administrator().not_verbose().start();
    let asking = format!("Asking the API server at https://{}/ about", control_plane.api_server_address());
    let warning = operator.wait_for_line(&asking).await;
    assert!(warning.contains("[WARNING ]") && warning.contains("refused"), "{warning}");
    control_plane.start_api_server().await.unwrap();
    fixture.apply(&manifest("away", "away", &["id"]));
    fixture.until_ready("away").await;
    let problems = problems(&operator);
    // A server that is still starting may reject requests for reasons of its own.
    assert!(problems.len() <= 3, "{problems:#?}");
}

async fn permissions_are_missing(fixture: &Fixture<'_>) {
    let kubeconfig = fixture.cluster.control_plane.kubeconfig_for("alice", &[], None).unwrap();
    let operator = fixture.operator().not_verbose().env("KUBECONFIG", kubeconfig).start();
    let warning = operator.wait_for_line("Watching databasetables.v1.kopf.demo at").await;
    assert!(
        warning.contains("[WARNING ]") && warning.contains("cannot watch resource \"databasetables\""),
        "{warning}"
    );
    fixture.cluster.apply(RBAC);
    let bind = |role: &str| {
        let mut kubectl = fixture.cluster.kubectl();
        kubectl.args(["create", "clusterrolebinding", &format!("{role}-for-alice")]);
        kubectl.args([&format!("--clusterrole={role}"), "--user=alice"]);
        assert!(kubectl.output().unwrap().status.success());
    };
    bind("database-table-operator");
    fixture.apply(&manifest("permitted", "permitted", &["id"]));
    operator.wait_for_line("Watching databasetables.v1.kopf.demo works again.").await;
    let denied = |object: &Value| condition(object, "Synced") == ["False", "PermissionDenied"];
    let object = fixture.until("permitted", "a permission is missing", denied).await;
    let reason = object["status"]["conditions"][1]["message"].as_str().unwrap();
    assert!(reason.contains("as `manifests` does, or set --cluster-id"), "{reason}");
    bind("database-table-operator-cluster");
    fixture.until_ready("permitted").await;
    let [watching, handling] = &problems(&operator)[..] else { panic!("{:#?}", problems(&operator)) };
    assert!(*watching == warning && handling.contains(reason), "{handling}");
}

#[tokio::test]
async fn without_permission_to_patch_the_operator_reports_it_and_continues_once_it_is_granted() {
    let fixture = Fixture::new("read-only").await;
    grant(&fixture, "reader", "get,list,watch");
    fixture.apply(&manifest("denied", "denied", &["id"]));
    let kubeconfig = fixture.cluster.control_plane.kubeconfig_for("reader", &[], None).unwrap();
    let command = fixture.operator().not_verbose().env("KUBECONFIG", kubeconfig);
    let operator = command.env("CLUSTER_ID", "read-only").start();
    let error = operator.wait_for_line("The operator lacks a permission that it needs: ").await;
    let reason = "User \"reader\" cannot patch resource \"databasetables\" in API group \"kopf.demo\"";
    assert!(error.contains("[ERROR ") && error.contains(reason), "{error}");
    grant(&fixture, "writer", "patch");
    fixture.apply(&manifest("denied", "denied", &["id", "more"]));
    fixture.until_ready("denied").await;
    assert_eq!(problems(&operator).iter().filter(|line| line.contains("lacks a permission")).count(), 1);
}

/// Grants the user `reader` permissions for `DatabaseTable` objects.
fn grant(fixture: &Fixture<'_>, role: &str, verbs: &str) {
    let run = |arguments: &[&str]| {
        let output = fixture.kubectl().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let verbs = format!("--verb={verbs}");
    run(&["create", "role", role, &verbs, "--resource=databasetables.kopf.demo"]);
    run(&["create", "rolebinding", role, &format!("--role={role}"), "--user=reader"]);
}
