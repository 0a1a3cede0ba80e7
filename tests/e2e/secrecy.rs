//! Secrets, which must not appear in logs or objects.

use crate::fixture::{Fixture, OperatorProcess, condition, manifest};
use serde_json::{Value, json};

/// A password that occurs in no other text.
const PASSWORD: &str = "Geheim42";

/// The variables that make an operator and its libraries log everything.
const EVERYTHING: [(&str, &str); 2] = [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")];

fn assert_not_logged(operator: &OperatorProcess, secret: &str) {
    let lines = operator.lines();
    let leaks: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn no_failure_puts_the_password_into_the_log_or_an_object() {
    let fixture = Fixture::new("secrecy").await;
    let password = &fixture.database.password;
    let proxy = fixture.database_proxy().await;
    let loud = || {
        EVERYTHING.iter().fold(fixture.operator().not_verbose().arg("--debug"), |command, (name, value)| {
            command.env(name, value)
        })
    };
    let mut operator = loud().database_through(&proxy).start();
    fixture.apply(&manifest("good", "good", &["id"]));
    fixture.until_ready("good").await;
    proxy.cut();
    fixture.apply(&manifest("late", "late", &["id"]));
    fixture
        .until("late", "the database is unavailable", |object| condition(object, "Synced")[0] == "False")
        .await;
    let objects = fixture.kubectl_get(&["databasetables,events", "--output=yaml"]);
    assert!(objects.contains("DatabaseUnavailable") && !objects.contains(password), "{objects}");
    proxy.restore();
    fixture.until_ready("late").await;
    fixture.sql(&format!("ALTER ROLE secrecy PASSWORD '{PASSWORD}'")).await;
    fixture.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()").await;
    fixture.apply(&manifest("denied", "denied", &["id"]));
    let denied = |object: &Value| condition(object, "Synced") == ["False", "PermissionDenied"];
    fixture.until("denied", "the password is rejected", denied).await;
    assert!(operator.count_lines("tokio_postgres") > 0, "the log contains lines of libraries");
    operator.terminate().await;
    assert_not_logged(&operator, password);
    let objects = fixture.kubectl_get(&["databasetables,events", "--output=yaml"]);
    assert!(!objects.contains(password), "{objects}");

    let wrong = loud().start();
    wrong.wait_for_line("Can't connect to database ").await;
    assert_not_logged(&wrong, password);
}

#[tokio::test]
async fn no_mistake_in_a_database_url_reveals_the_password() {
    let fixture = Fixture::new("wrong-urls").await;
    for url in [
        "postgres://u:Geheim42@127.0.0.1:99999/db",
        "postgres://u:Geheim42@127.0.0.1:port/db",
        "postgres://u:Geheim42@",
        "postgres://u:Geheim42%ZZ@127.0.0.1:port/db",
        "postgres://u:Geheim42%@127.0.0.1:port/db",
        "postgres://u:%FFGeheim42@127.0.0.1/db?port=x",
        "postgres://u:x@Geheim42@127.0.0.1/db",
        "postgres://u:x/Geheim42@127.0.0.1:port/db",
        "postgres://u:x#Geheim42@127.0.0.1:port/db",
        "postgres://u:x?Geheim42=y@127.0.0.1:port/db",
        "postgres://u:x&Geheim42@127.0.0.1:port/db",
        "postgres://u@127.0.0.1/db?password=Geheim42&port=x",
        "postgres://u@127.0.0.1/db?Geheim42",
        "postgres://u@127.0.0.1/db?Geheim42=1",
        "postgres://u@127.0.0.1/db?sslmode=Geheim42",
        "postgres://u@127.0.0.1/db?connect_timeout=Geheim42",
        "postgres://u:Geheim42@127.0.0.1/db?sslrootcert=/nowhere&sslmode=verify-ca",
        "mysql://u:Geheim42@127.0.0.1/db",
        "u:Geheim42@127.0.0.1/db",
        "host=127.0.0.1 password='Geheim42",
        "host=127.0.0.1 password=Geheim42 port=x",
        "host=127.0.0.1 password=x Geheim42",
        "host=127.0.0.1 Geheim42=x",
        "Geheim42",
    ] {
        let command = fixture.operator().not_verbose().arg("--debug").env("DATABASE_URL", url);
        let mut operator =
            EVERYTHING.iter().fold(command, |command, (name, value)| command.env(name, value)).start();
        assert_eq!(operator.wait().await.code(), Some(1), "{url}");
        assert!(operator.count_lines("[ERROR   ] ") == 1, "{url}: {:#?}", operator.lines());
        assert_not_logged(&operator, PASSWORD);
    }
    // A URL, or a password, where the path of a file should be; and files with mistakes.
    let file = std::env::temp_dir().join(format!("korf-url-{}", std::process::id()));
    for (path, content) in [
        ("postgres://u:Geheim42@127.0.0.1/db", ""),
        ("Geheim42", ""),
        (file.to_str().unwrap(), "postgres://u:Geheim42"),
        (file.to_str().unwrap(), "postgres://u:x@127.0.0.1/db?port=Geheim42"),
        (file.to_str().unwrap(), "Geheim42"),
    ] {
        std::fs::write(&file, content).unwrap();
        let command = fixture.operator().not_verbose().arg("--debug").env_remove("DATABASE_URL");
        let command = command.env("DATABASE_URL_FILE", path);
        let mut operator =
            EVERYTHING.iter().fold(command, |command, (name, value)| command.env(name, value)).start();
        assert_eq!(operator.wait().await.code(), Some(1), "{path}: {content}");
        assert!(operator.count_lines("[ERROR   ] ") == 1, "{path}: {:#?}", operator.lines());
        assert_not_logged(&operator, PASSWORD);
    }
    std::fs::remove_file(&file).unwrap();
    // The help must not show the values of variables.
    let mut usage = fixture
        .operator()
        .not_verbose()
        .env("DATABASE_URL", "postgres://u:Geheim42@h/db")
        .arg("--help")
        .start();
    assert_eq!(usage.wait().await.code(), Some(0));
    assert_eq!(
        (usage.count_lines("DATABASE_URL") > 0, usage.count_lines(PASSWORD)),
        (true, 0),
        "{:#?}",
        usage.lines()
    );
}

#[tokio::test]
async fn a_misplaced_database_url_on_the_command_line_is_not_quoted() {
    let fixture = Fixture::new("misplaced-urls").await;
    let url = "postgres://u:Geheim42@127.0.0.1/db";
    for arguments in [
        &[url][..],
        &["--namespace", url],
        &["--database-connections", url],
        &["--log-format", url],
        &["--database", url],
    ] {
        let command = arguments
            .iter()
            .fold(fixture.operator().by_administrator().not_verbose(), |command, argument| {
                command.arg(argument)
            });
        let mut operator = command.start();
        assert_eq!(operator.wait().await.code(), Some(2), "{arguments:?}");
        assert!(operator.lines()[0].starts_with("error: "), "{:?}", operator.lines());
        assert_not_logged(&operator, PASSWORD);
    }
}

#[tokio::test]
async fn an_invalid_kubeconfig_is_not_quoted() {
    let fixture = Fixture::new("wrong-kubeconfigs").await;
    let token = "    user: { token: Geheim42 }\n";
    for (number, content) in [
        format!("apiVersion: v1\nusers:\n  - name: me\n{token}clusters: [\n"),
        format!("apiVersion: v1\nusers:\n  - name: me\n{token}   clusters: nonsense\n"),
        "apiVersion: v1\nusers: Geheim42\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let path = std::env::temp_dir().join(format!("korf-{}-{number}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let mut operator = fixture
            .operator()
            .not_verbose()
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", &path)
            .start();
        let status = operator.wait().await;
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (status.code(), operator.count_lines("[ERROR   ] ")),
            (Some(1), 1),
            "{:#?}",
            operator.lines()
        );
        assert_not_logged(&operator, PASSWORD);
        assert_not_logged(&operator, "nonsense");
    }
}

#[tokio::test]
async fn what_a_credential_plugin_is_given_and_prints_is_not_logged() {
    let fixture = Fixture::new("wrong-plugins").await;
    let truncated = r#"echo '{"kind": "ExecCredential", "status": {"token": "Geheim42'"#;
    for (number, script, expected) in [
        (
            0,
            "echo Geheim42; echo Geheim42 >&2; exit 1",
            "the credential plugin `sh` has failed: exit status: 1",
        ),
        (1, truncated, "the credential plugin `sh` has printed something that is no ExecCredential"),
        (2, "echo Geheim42", "is no ExecCredential"),
    ] {
        let kubeconfig = fixture.cluster.control_plane.kubeconfig();
        let mut config: Value = serde_json::from_slice(&std::fs::read(kubeconfig).unwrap()).unwrap();
        config["users"][0]["user"] = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script, PASSWORD],
            "env": [{ "name": "PASSWORD", "value": PASSWORD }],
            "interactiveMode": "Never",
        }});
        let path = std::env::temp_dir().join(format!("korf-plugin-{}-{number}", std::process::id()));
        std::fs::write(&path, config.to_string()).unwrap();
        let command = fixture.operator().not_verbose().arg("--debug").env("KUBECONFIG", &path);
        let mut operator =
            EVERYTHING.iter().fold(command, |command, (name, value)| command.env(name, value)).start();
        let status = operator.wait().await;
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (status.code(), operator.count_lines("[ERROR   ] "), operator.count_lines(expected)),
            (Some(1), 1, 1),
            "{:#?}",
            operator.lines()
        );
        assert_not_logged(&operator, PASSWORD);
    }
}
