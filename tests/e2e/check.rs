//! The command `check`, on a real API server and a real PostgreSQL.

use crate::fixture::{Cluster, Fixture, manifest};
use serde_json::json;
use std::process::Command;

/// Runs `check` with these words; returns its exit code and its lines.
fn check(fixture: &Fixture<'_>, words: &[&str]) -> (i32, Vec<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_database-table-operator"));
    command.arg("check").args(words);
    command.env("KUBECONFIG", fixture.cluster.control_plane.kubeconfig());
    let output = command.env("DATABASE_URL", fixture.database.url()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.lines().map(str::to_owned).collect())
}

/// The lines that aren't fine.
fn faults(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| !line.starts_with("ok ")).collect()
}

#[tokio::test]
async fn check_says_what_an_operator_lacks_until_it_lacks_nothing() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "check").await;
    let account = ["--namespace=check", "--leader-elect", "--service-account=check/database-table-operator"];
    let (code, lines) = check(&fixture, &account);
    let found = faults(&lines);
    assert_eq!(code, 1, "{lines:#?}");
    assert!(
        found[0].contains("databasetables.v1.kopf.demo isn't served: run `database-table-operator crd"),
        "{found:#?}"
    );
    assert!(
        found[1..].iter().all(|line| line.starts_with("failed   permissions")) && found.len() > 5,
        "{found:#?}"
    );

    // What `manifests` prints is all that it lacks.
    let program = env!("CARGO_BIN_EXE_database-table-operator");
    let print = ["manifests", "--namespace=check", "--operator-namespace=check", "--leader-elect"];
    let printed = Command::new(program).args(print).output().unwrap();
    fixture.apply(&String::from_utf8(printed.stdout).unwrap());
    let all_is_fine = async || check(&fixture, &account);
    let (_, lines) = crate::fixture::eventually("all is fine", all_is_fine, |(code, _)| *code == 0).await;
    assert_eq!(faults(&lines), [""; 0], "{lines:#?}");
    for subject in [
        "cluster",
        "namespaces",
        "kind",
        "permissions",
        "database",
        "writes",
        "schema",
        "schemas",
        "temporary",
    ] {
        let of = |line: &&String| line.starts_with(&format!("ok       {subject} "));
        assert_eq!(lines.iter().filter(of).count(), 1, "{subject}: {lines:#?}");
    }

    let (code, lines) = check(&fixture, &["--namespace=nowhere"]);
    assert_eq!(
        (code, &*faults(&lines)),
        (
            1,
            &["failed   namespaces   there is no namespace \"nowhere\": create it, or correct --namespace"][..]
        )
    );
}

#[tokio::test]
async fn check_says_what_the_database_lacks() {
    let fixture = Fixture::new("check-database").await;
    fixture.sql("DROP SCHEMA public").await;
    let (code, lines) = check(&fixture, &["--namespace=check-database"]);
    assert_eq!(code, 1, "{lines:#?}");
    let words = [
        "is served, and defined in another way",
        "no schema in the search_path of user \"check_database\" exists",
    ];
    let found = faults(&lines);
    assert!(
        found.len() == 2 && found.iter().zip(words).all(|(line, words)| line.contains(words)),
        "{found:#?}"
    );
}

#[tokio::test]
async fn check_looks_at_the_database_of_each_secret_that_objects_name() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "check-secrets").await;
    let url = fixture.database.url();
    let password = &fixture.database.password;
    for (name, url) in [
        ("good", url.clone()),
        ("wrong", url.replace(password, "Geheim43")),
        ("away", "postgres://eva:Geheim43@127.0.0.1:1/bank".to_owned()),
        ("half", "postgres://eva@127.0.0.1:1/bank".to_owned()),
    ] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"uri": url},
        });
        fixture.apply(&secret.to_string());
    }
    let by = |object: &str, secret: &str| {
        let reference = format!("  connectionSecretRef:\n    name: {secret}\n");
        fixture.apply(&format!("{}{reference}", manifest(object, object, &["id"])));
    };
    fixture.apply(&manifest("own", "own", &["id"]));
    for (object, secret) in
        [("a", "good"), ("b", "good"), ("c", "wrong"), ("d", "away"), ("e", "half"), ("f", "missing")]
    {
        by(object, secret);
    }
    let of_secrets = |words: &[&str]| {
        let (code, lines) = check(&fixture, words);
        assert_eq!(code, 1, "{lines:#?}");
        for hidden in [password.as_str(), "Geheim43", "eva", "bank"] {
            let leaks: Vec<_> =
                lines.iter().filter(|line| line.contains(" secret ") && line.contains(hidden)).collect();
            assert!(leaks.is_empty(), "{leaks:#?}");
        }
        lines.into_iter().filter(|line| line[9..].starts_with("secret ")).collect::<Vec<_>>()
    };
    let lines = of_secrets(&["--namespace=check-secrets"]);
    let expected = [
        ("failed", "away, for check-secrets/d: the database is unreachable: "),
        ("ok", "good, for check-secrets/a and 1 more: PostgreSQL "),
        ("failed", "half, for check-secrets/e: it has no key password"),
        (
            "failed",
            "missing, for check-secrets/f: it doesn't exist: create it, or correct connectionSecretRef",
        ),
        ("failed", "wrong, for check-secrets/c: FATAL: password authentication failed for user … "),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (level, text)) in lines.iter().zip(expected) {
        let begin = format!("{level:8} secret       Secret check-secrets/{text}");
        assert!(line.starts_with(&begin), "{line}");
    }

    // Of another account it is told what that one may read, and of an operator without a database who has none.
    let others = ["--namespace=check-secrets", "--service-account=check-secrets/nobody"];
    let lines = of_secrets(&others);
    let denied = "service account check-secrets/nobody can't get it: grant that by a Role in its namespace";
    assert!(lines.len() == 5 && lines.iter().all(|line| line.ends_with(denied)), "{lines:#?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_database-table-operator"));
    command.args(["check", "--namespace=check-secrets", "--no-own-database"]).env_remove("DATABASE_URL");
    let output = command.env("KUBECONFIG", fixture.cluster.control_plane.kubeconfig()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = "failed   objects      no connectionSecretRef, and the operator has no database of its own: check-secrets/own. Name";
    assert!(text.contains(line), "{text}");
}
