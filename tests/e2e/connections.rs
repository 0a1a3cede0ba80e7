//! Tables whose databases are reached by Secrets.

use crate::fixture::{Cluster, Fixture, OperatorProcess, condition, eventually, manifest};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Passwords that occur in no other text, and how Secrets have them.
const PASSWORDS: [&str; 2] = ["Geheim42", "Verborgen43"];
const ENCODED: [&str; 2] = ["R2VoZWltNDI", "VmVyYm9yZ2VuNDM"];

/// A manifest of a table that is reached by a Secret.
fn by_secret(name: &str, table: &str, columns: &[&str], secret: &str) -> String {
    format!("{}  connectionSecretRef:\n    name: {secret}\n", manifest(name, table, columns))
}

/// A Secret as some operators of databases write it: the rest is known from the operator's own database.
fn secret(name: &str, user: &str, password: &str) -> String {
    let data = json!({"username": user, "password": password});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}).to_string()
}

/// A Secret with a URL.
fn by_url(name: &str, url: &str) -> String {
    let data = json!({ "uri": url });
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}).to_string()
}

/// The Role of the page about connections.
fn may_read(fixture: &Fixture<'_>, secret: &str) -> String {
    granting(
        fixture,
        &json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}),
    )
}

/// The other one.
fn may_watch(fixture: &Fixture<'_>) -> String {
    granting(
        fixture,
        &json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}),
    )
}

fn granting(fixture: &Fixture<'_>, rule: &Value) -> String {
    let metadata = json!({"name": "database-table-operator-secrets"});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [rule],
    });
    let account = json!({
        "kind": "ServiceAccount", "name": "database-table-operator", "namespace": fixture.namespace,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [account],
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]}).to_string()
}

fn delete_secret(fixture: &Fixture<'_>, name: &str) {
    let output = fixture.kubectl().args(["delete", "secret", name]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn synced(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |object| condition(object, "Synced") == ["False", reason]
}

async fn rotate(fixture: &Fixture<'_>, user: &str, password: &str) {
    let superuser = fixture.database.connect_as_superuser().await.unwrap();
    superuser.batch_execute(&format!("ALTER ROLE {user} PASSWORD '{password}'")).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1";
    superuser.execute(end, &[&user]).await.unwrap();
}

fn assert_hides(fixture: &Fixture<'_>, operator: &OperatorProcess, user: &str) {
    let objects = fixture.kubectl_get(&["databasetables,events", "--output=yaml"]);
    for hidden in PASSWORDS.iter().chain(&ENCODED).chain([&user]) {
        assert!(!objects.contains(hidden), "{objects}");
    }
    for password in PASSWORDS.into_iter().chain(ENCODED) {
        let leaks: Vec<_> = operator.lines().into_iter().filter(|line| line.contains(password)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

#[tokio::test]
async fn a_table_is_made_by_a_secret_s_role_and_follows_its_password() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "by-secret").await;
    let user = "by_secret_role";
    let superuser = fixture.database.connect_as_superuser().await.unwrap();
    let [first, second] = PASSWORDS;
    let create =
        format!("CREATE ROLE {user} LOGIN PASSWORD '{first}'; GRANT CREATE ON SCHEMA public TO {user}");
    superuser.batch_execute(&create).await.unwrap();
    let mut operator = fixture.operator().not_verbose().arg("--debug").env("RUST_LOG", "trace").start();
    fixture.apply(&manifest("plain", "plain", &["id"]));
    fixture.until_ready("plain").await;

    fixture.apply(&by_secret("table", "secret_table", &["id"], "pg-app"));
    let denied =
        fixture.until("table", "the operator may not read the Secret", synced("PermissionDenied")).await;
    let message = denied["status"]["conditions"][1]["message"].as_str().unwrap_or_default();
    assert!(message.contains("grant the operator `get` on it, by a Role in its namespace"), "{message}");
    fixture.apply(&may_read(&fixture, "pg-app"));
    let missing = fixture.until("table", "the Secret is missing", synced("SecretMissing")).await;
    assert_eq!(condition(&missing, "Ready"), ["Unknown", "SecretMissing"]);
    assert_eq!(condition(&missing, "Stalled"), ["", ""], "it may come");
    fixture.apply(&secret("pg-app", user, first));
    let ready = fixture.until_ready("table").await;
    assert_eq!(ready["status"]["table"], "public.secret_table");
    assert_eq!(ready["status"]["database"].as_str().map(str::len), Some(16));
    let owners =
        "SELECT tablename || ' ' || tableowner FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let own = &fixture.database.user;
    assert_eq!(fixture.query(owners).await, [format!("plain {own}"), format!("secret_table {user}")]);

    rotate(&fixture, user, second).await;
    fixture.apply(&by_secret("table", "secret_table", &["id", "more"], "pg-app"));
    fixture.until("table", "the password is rejected", synced("PermissionDenied")).await;
    fixture.apply(&secret("pg-app", user, second));
    fixture.until_column_count("table", 2).await;
    // At once, where the Secret came first.
    rotate(&fixture, user, first).await;
    fixture.apply(&secret("pg-app", user, first));
    fixture.apply(&by_secret("table", "secret_table", &["id", "more", "last"], "pg-app"));
    fixture.until_column_count("table", 3).await;

    // As it goes when a namespace is deleted: what the Secret said last drops the table.
    delete_secret(&fixture, "pg-app");
    fixture.delete("table").await;
    fixture.until_gone("table").await;
    assert_eq!(fixture.all_tables().await, ["plain"]);
    operator.terminate().await;
    assert_hides(&fixture, &operator, user);
}

#[tokio::test]
async fn a_database_that_rejects_the_operator_at_its_start_keeps_back_the_objects_that_have_their_tables_there()
 {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "rejected").await;
    fixture.apply(&may_read(&fixture, "pg-app"));
    let url = fixture.database.url();
    fixture.apply(&by_url("pg-app", &url));
    let file = std::env::temp_dir().join(format!("korf-rejected-{}", std::process::id()));
    for (number, wrong, reason, told) in [
        (
            0,
            url.replace(&fixture.database.password, "Geheim42"),
            "PermissionDenied",
            "password authentication failed",
        ),
        (
            1,
            url.replace("/rejected?", "/nowhere?"),
            "DatabaseUnavailable",
            "database \"nowhere\" does not exist",
        ),
    ] {
        std::fs::write(&file, &wrong).unwrap();
        let command = fixture.operator().not_verbose().env_remove("DATABASE_URL");
        let operator = command.env("DATABASE_URL_FILE", &file).start();
        let error = operator.wait_for_line("Can't connect to database ").await;
        assert!(
            error.contains("[ERROR   ]") && error.contains(told) && error.contains("Check DATABASE_URL"),
            "{error}"
        );
        assert!(!error.contains("Geheim42"), "{error}");
        let (plain, named) = (format!("plain{number}"), format!("named{number}"));
        fixture.apply(&manifest(&plain, &plain, &["id"]));
        fixture.apply(&by_secret(&named, &named, &["id"], "pg-app"));
        fixture.until_ready(&named).await;
        let object = fixture.until(&plain, "its database rejects the operator", synced(reason)).await;
        assert_eq!(condition(&object, "Stalled"), ["True", reason], "somebody has to do something");
        if number == 0 {
            // Another password takes no restart.
            std::fs::write(&file, &url).unwrap();
            fixture.until_ready(&plain).await;
        }
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn an_operator_without_a_database_of_its_own_serves_the_objects_that_name_one() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "no-own").await;
    fixture.apply(&may_read(&fixture, "pg-app"));
    fixture.apply(&by_url("pg-app", &fixture.database.url()));
    let start = || {
        let command = fixture.operator().not_verbose().env_remove("DATABASE_URL");
        command.arg("--no-own-database").arg("--drift-interval=1").start()
    };
    let operator = start();
    operator.wait_for_line("The operator has no database of its own, as --no-own-database says").await;
    for name in ["plain", "never"] {
        fixture.apply(&manifest(name, name, &["id"]));
    }
    fixture.apply(&by_secret("named", "named", &["id"], "pg-app"));
    fixture.until_ready("named").await;
    let object = fixture.until("plain", "there is no database for it", synced("InvalidSpec")).await;
    assert_eq!(condition(&object, "Ready"), ["False", "InvalidSpec"]);
    assert_eq!(condition(&object, "Stalled"), ["True", "InvalidSpec"]);
    let message = object["status"]["conditions"][1]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("spec.connectionSecretRef is missing"), "{message}");
    fixture.delete("never").await;
    fixture.until_gone("never").await;
    fixture.sql("DROP TABLE named").await;
    let made_again = async || fixture.all_tables().await;
    eventually("the table is made again", made_again, |tables| *tables == ["named"]).await;
    drop(operator);

    // An operator with a database handles what has waited for one.
    let operator = fixture.operator().not_verbose().start();
    fixture.until_ready("plain").await;
    drop(operator);

    // What was made there is neither dropped without a word, nor made again elsewhere.
    let operator = start();
    fixture.until("plain", "there is no database for it", synced("InvalidSpec")).await;
    fixture.apply(&by_secret("plain", "plain", &["id"], "pg-app"));
    // It was the same database, as the owner's line tells.
    fixture.until_ready("plain").await;
    fixture.apply(&manifest("other", "other", &["id"]));
    drop(operator);
    let operator = fixture.operator().not_verbose().start();
    fixture.until_ready("other").await;
    drop(operator);
    let operator = start();
    fixture.delete("other").await;
    let is_held = |object: &Value| {
        let message = object["status"]["conditions"][1]["message"].as_str().unwrap_or_default();
        synced("InvalidSpec")(object) && message.ends_with("set deletionPolicy: Retain")
    };
    fixture.until("other", "its deletion waits", is_held).await;
    assert_eq!(fixture.all_tables().await, ["named", "other", "plain"]);
    let retain = ["patch", "dbt", "other", "--type=merge", "-p", r#"{"spec": {"deletionPolicy": "Retain"}}"#];
    assert!(fixture.kubectl().args(retain).output().unwrap().status.success());
    fixture.until_gone("other").await;
    assert_eq!(fixture.all_tables().await, ["named", "other", "plain"]);
    drop(operator);
}

#[tokio::test]
async fn an_object_waits_for_its_secret_and_goes_at_once_if_it_never_had_a_table() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "no-secret").await;
    fixture.apply(&may_read(&fixture, "pg-app"));
    let by_url = by_url("pg-app", &fixture.database.url());
    fixture.apply(&by_url);
    let operator = fixture.operator().not_verbose().start();
    fixture.apply(&by_secret("kept", "kept", &["id"], "pg-app"));
    fixture.until_ready("kept").await;
    drop(operator);
    // The next process has never seen the Secret.
    delete_secret(&fixture, "pg-app");
    fixture.apply(&by_secret("never", "never", &["id"], "pg-app"));
    let _operator = fixture.operator().not_verbose().start();
    fixture.until("never", "the Secret is missing", synced("SecretMissing")).await;
    fixture.delete("never").await;
    fixture.until_gone("never").await;
    fixture.delete("kept").await;
    fixture.until("kept", "the Secret is missing", synced("SecretMissing")).await;
    fixture.apply(&by_url);
    fixture.until_gone("kept").await;
    assert!(fixture.all_tables().await.is_empty());
}

#[tokio::test]
async fn a_secret_that_is_watched_is_noticed_at_once() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "watched-secret").await;
    fixture.apply(&may_watch(&fixture));
    let mut operator = fixture.operator().arg("--watch-secrets").start();
    let waiting = Instant::now();
    fixture.apply(&by_secret("one", "one", &["id"], "pg-app"));
    fixture.apply(&by_secret("other", "other", &["id"], "pg-app"));
    for name in ["one", "other"] {
        fixture.until(name, "the Secret is missing", synced("SecretMissing")).await;
    }
    // Each has been tried, and one of them again after one, three, seven and fifteen seconds. The next one would be after half a
    // minute.
    operator.wait_for_lines("Handler 'create_handler' is invoked.", 6).await;
    assert!(
        waiting.elapsed() > Duration::from_secs(12),
        "they were tried early, so the next time isn't known"
    );
    fixture.apply(&by_url("pg-app", &fixture.database.url()));
    let created = Instant::now();
    for name in ["one", "other"] {
        fixture.until_ready(name).await;
    }
    assert!(created.elapsed() < Duration::from_secs(12), "{:?}", created.elapsed());
    // What it leads to now isn't what has the table.
    let elsewhere = fixture.database.url().replace(&format!("/{}?", fixture.database.name), "/postgres?");
    fixture.apply(&by_url("pg-app", &elsewhere));
    for name in ["one", "other"] {
        fixture.until(name, "the database is another one", synced("DatabaseChanged")).await;
    }
    operator.terminate().await;
    assert_eq!(operator.count_lines("panicked"), 0);
}

/// Forty objects are more than the operator handles at a time.
#[tokio::test]
async fn a_database_that_does_not_answer_holds_back_only_the_objects_of_its_secret() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "silent-database").await;
    fixture.apply(&may_read(&fixture, "pg-app"));
    let proxy = fixture.database_proxy().await;
    proxy.stall();
    fixture.apply(&by_url("pg-app", &fixture.database.url_through(proxy.address())));
    let operator = fixture.operator().not_verbose().start();
    let silent = (0..40).map(|number| {
        let name = format!("silent-{number}");
        by_secret(&name, &name.replace('-', "_"), &["id"], "pg-app")
    });
    fixture.apply(&silent.collect::<Vec<_>>().join("\n---\n"));
    fixture.until("silent-39", "the database is away", synced("DatabaseUnavailable")).await;
    let plain: Vec<_> = (0..10).map(|number| format!("plain-{number}")).collect();
    let begun = Instant::now();
    let manifests = plain.iter().map(|name| manifest(name, &name.replace('-', "_"), &["id"]));
    fixture.apply(&manifests.collect::<Vec<_>>().join("\n---\n"));
    for name in &plain {
        fixture.until_ready(name).await;
    }
    // The attempts to connect take ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    operator.assert_lines("[ERROR", 1).await;
    proxy.restore();
    let returned = Instant::now();
    for number in 0..40 {
        fixture.until_ready(&format!("silent-{number}")).await;
    }
    // By their own backoffs, it would be a minute.
    assert!(returned.elapsed() < Duration::from_secs(25), "{:?}", returned.elapsed());
}
