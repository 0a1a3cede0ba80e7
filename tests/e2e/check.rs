//! The command `check`, on a real API server and a real PostgreSQL.

use crate::fixture::{Cluster, Fixture};
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
