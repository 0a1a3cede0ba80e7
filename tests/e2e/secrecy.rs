//! The database's password is the operator's own business.

use crate::stage::{Operator, Stage, condition, manifest};

/// A password that is in nothing else.
const PASSWORD: &str = "Geheim42";

/// Whatever an operator and its libraries can say.
const EVERYTHING: [(&str, &str); 2] = [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")];

fn keeps(operator: &Operator, secret: &str) {
    let lines = operator.lines();
    let told: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn no_password_is_in_a_log_or_an_object_whatever_fails_and_whatever_is_logged() {
    let stage = Stage::new("secrecy").await;
    let password = &stage.database.password;
    let proxy = stage.database_proxy().await;
    let loud = || {
        EVERYTHING
            .iter()
            .fold(stage.operator().terse().arg("--debug"), |launch, (name, value)| launch.env(name, value))
    };
    let operator = loud().database_through(&proxy).start();
    stage.apply(&manifest("good", "good", &["id"]));
    stage.until_ready("good").await;
    proxy.cut();
    stage.apply(&manifest("late", "late", &["id"]));
    stage.until("late", "the database is away", |object| condition(object, "Synced")[0] == "False").await;
    let objects = stage.kubectl_get(&["databasetables,events", "--output=yaml"]);
    assert!(objects.contains("DatabaseUnavailable") && !objects.contains(password), "{objects}");
    proxy.restore();
    stage.until_ready("late").await;
    stage.sql(&format!("ALTER ROLE secrecy PASSWORD '{PASSWORD}'")).await;
    stage.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()").await;
    stage.apply(&manifest("refused", "refused", &["id"]));
    let refused = |object: &serde_json::Value| condition(object, "Synced") == ["False", "PermissionDenied"];
    stage.until("refused", "the password is refused", refused).await;
    assert!(operator.count("tokio_postgres") > 0, "libraries are heard");
    keeps(&operator, password);
    drop(operator);
    let objects = stage.kubectl_get(&["databasetables,events", "--output=yaml"]);
    assert!(!objects.contains(password), "{objects}");

    let mut wrong = loud().start();
    assert_eq!(wrong.exit().await.code(), Some(1));
    keeps(&wrong, password);
}

#[tokio::test]
async fn no_mistake_in_a_database_url_lets_the_password_out() {
    let stage = Stage::new("wrong-urls").await;
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
        let launch = stage.operator().terse().arg("--debug").env("DATABASE_URL", url);
        let mut operator =
            EVERYTHING.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start();
        assert_eq!(operator.exit().await.code(), Some(1), "{url}");
        assert!(operator.count("[ERROR   ] ") == 1, "{url}: {:#?}", operator.lines());
        keeps(&operator, PASSWORD);
    }
    // What the command line shows is the value of no variable.
    let mut usage =
        stage.operator().terse().env("DATABASE_URL", "postgres://u:Geheim42@h/db").arg("--help").start();
    assert_eq!(usage.exit().await.code(), Some(0));
    assert_eq!((usage.count("DATABASE_URL") > 0, usage.count(PASSWORD)), (true, 0), "{:#?}", usage.lines());
}

#[tokio::test]
async fn a_database_url_in_the_wrong_place_of_the_command_line_is_not_repeated() {
    let stage = Stage::new("misplaced-urls").await;
    let url = "postgres://u:Geheim42@127.0.0.1/db";
    for arguments in [
        &[url][..],
        &["--namespace", url],
        &["--database-connections", url],
        &["--log-format", url],
        &["--database", url],
    ] {
        let launch = arguments.iter().fold(stage.operator().terse(), |launch, argument| launch.arg(argument));
        let mut operator = launch.start();
        assert_eq!(operator.exit().await.code(), Some(2), "{arguments:?}");
        assert!(operator.lines()[0].starts_with("error: "), "{:?}", operator.lines());
        keeps(&operator, PASSWORD);
    }
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_read_is_not_quoted() {
    let stage = Stage::new("wrong-kubeconfigs").await;
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
        let mut operator =
            stage.operator().terse().without("KUBERNETES_SERVICE_HOST").env("KUBECONFIG", &path).start();
        let status = operator.exit().await;
        std::fs::remove_file(&path).unwrap();
        assert_eq!((status.code(), operator.count("[ERROR   ] ")), (Some(1), 1), "{:#?}", operator.lines());
        keeps(&operator, PASSWORD);
        keeps(&operator, "nonsense");
    }
}
