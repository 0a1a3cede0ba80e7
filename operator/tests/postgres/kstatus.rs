//! What kstatus, which Flux and Helm follow, makes of an object in every state. kstatus itself is asked, by a test in Go.

use crate::support::{Existing, NoAnswer, World, claim, owner, skip, spec, table};
use database_table_operator::{
    api::ApiError,
    connection::{SecretFault, Settings},
    crd::DatabaseTable,
    database::Database,
    error::TableError,
    outcome::Applied,
    plan::{Claim, Forget, PlanError},
    secrets::{SecretError, SecretId},
    spec::Table,
    status::{Stamp, TableStatus},
};
use jiff::Timestamp;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// The variable that makes a missing Go a failure.
const REQUIRED: &str = "KORF_REQUIRE_GO";
const FAILED: [&str; 2] = ["Failed"; 2];
const GOING: [&str; 2] = ["InProgress"; 2];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kstatus");

/// The reasons that there are, as they are written down.
fn reasons() -> impl Iterator<Item = &'static str> {
    let (_, variants) = include_str!("../../src/status.rs").split_once("pub enum ConditionReason {").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    variants.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|name| !name.contains(' '))
}

/// A state, what kstatus has to say of it, and the reason in the operator's README, if there is a row for it.
struct State {
    name: &'static str,
    expected: &'static str,
    reason: Option<&'static str>,
    object: Value,
}

fn stamp(generation: i64) -> Stamp {
    Stamp { generation: Some(generation), now: Timestamp::UNIX_EPOCH }
}

/// After attempts that have failed for this long.
fn failed(
    status: &TableStatus,
    generation: i64,
    (error, lasts): (&TableError, Duration),
    deleting: bool,
) -> TableStatus {
    status.after_failure(stamp(generation), &error.as_failure(&error.to_string(), deleting, lasts))
}

fn object(generation: i64, status: impl serde::Serialize, deleting: bool) -> Value {
    let mut object = json!({
        "apiVersion": "kopf.demo/v1", "kind": "DatabaseTable",
        "metadata": {"name": "a", "namespace": "shop", "uid": "1-2-3", "generation": generation},
        "spec": spec("t", &[("a", "integer")]),
        "status": status,
    });
    if deleting {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["kopf.zalando.org/KopfFinalizerMarker"]);
    }
    object
}

/// Every failure that a real database, or a mistake in a spec, brings about; with its reason and what kstatus has to say, at once
/// and when it has lasted for two minutes.
async fn failures(world: &World) -> Vec<(&'static str, [&'static str; 2], TableError)> {
    let whole = world.apply(&spec("t", &[("a", "integer"), ("b", "text")])).await.unwrap();
    assert_eq!(whole.warnings, []);
    let aborted = world.rejected(&spec("t", &[("a", "integer")])).await;
    let renamed = world.rejected(&spec("u", &[("a", "integer")])).await;
    world.run("ALTER TABLE t ALTER a TYPE bigint").await;
    let claim = Claim { was_applied: true, ..world.claim.lock().unwrap().clone() };
    let unchanged = spec("t", &[("a", "integer"), ("b", "text")]);
    let drifted = world.tables.apply(&NoAnswer, &claim, &table(&unchanged)).await.unwrap_err();
    world.run("ALTER TABLE t ALTER a TYPE integer").await;
    let invalid = Table::from_spec(Some(&json!({"tableName": "t"}))).unwrap_err();
    world.run("INSERT INTO t VALUES (NULL)").await;
    let strict =
        json!({"tableName": "t", "columns": [{"a": {"type": "integer", "nullable": false}}, {"b": "text"}]});
    let obstructed = world.apply(&strict).await.unwrap_err();
    world.run("CREATE TABLE taken (a integer)").await;
    let no_type = world.apply_as("b", &spec("b", &[("a", "nonsense")])).await.unwrap_err();
    let conflict = world.apply_as("b", &spec("taken", &[("a", "integer")])).await.unwrap_err();
    world.run("CREATE VIEW v AS SELECT a FROM t").await;
    let dependents = world.drop().await.unwrap_err();
    world.run("DROP VIEW v").await;
    let user = world.database.user.replace('"', "\"\"");
    world
        .run_as_superuser(&format!("REVOKE ALL ON SCHEMA public FROM public, \"{user}\"; ALTER SCHEMA public OWNER TO postgres; GRANT USAGE ON SCHEMA public TO public"))
        .await;
    let denied = world.apply_as("c", &spec("c", &[("a", "integer")])).await.unwrap_err();
    world.run_as_superuser("DROP SCHEMA public CASCADE").await;
    let no_schema = world.apply_as("c", &spec("c", &[("a", "integer")])).await.unwrap_err();
    let away =
        apply_to(&world.database.url().replace(&world.database.address.to_string(), "127.0.0.1:1")).await;
    let mut forbidden = ApiError::new("forbidden");
    forbidden.denied = true;
    let no_database = world.database.url().replace('?', "_missing?");
    vec![
        ("UpdateAborted", FAILED, aborted),
        ("UpdateAborted", FAILED, renamed),
        ("UpdateAborted", FAILED, obstructed),
        ("Drifted", FAILED, drifted),
        ("InvalidSpec", FAILED, invalid.clone().into()),
        ("InvalidSpec", FAILED, TableError::DeletionUnclear(invalid)),
        ("Conflict", FAILED, conflict),
        ("DependentsExist", FAILED, dependents),
        ("PermissionDenied", FAILED, denied),
        ("SchemaMissing", ["InProgress", "Failed"], no_schema),
        ("TypeMissing", ["InProgress", "Failed"], no_type),
        ("InProgress", GOING, TableError::Working("table public.t is being changed".into())),
        ("DatabaseUnavailable", GOING, away),
        ("DatabaseUnavailable", FAILED, apply_to(&no_database).await),
        ("SecretMissing", ["InProgress", "Failed"], SecretError::Missing(secret()).into()),
        ("SecretMissing", ["InProgress", "Failed"], unusable(SecretFault::Missing("password".to_owned()))),
        ("SecretInvalid", FAILED, unusable(SecretFault::Port)),
        (
            "DatabaseChanged",
            FAILED,
            PlanError::Elsewhere { table: "public.t".to_owned(), forget: Forget::by(&owner("a")) }.into(),
        ),
        ("InvalidSpec", FAILED, SecretError::NotAllowed(secret()).into()),
        ("PermissionDenied", GOING, TableError::ObjectUnknown(forbidden)),
        ("ClusterUnavailable", GOING, TableError::ClusterUnknown(ApiError::new("no answer"))),
        ("ClusterUnavailable", GOING, TableError::ObjectUnknown(ApiError::new("no answer"))),
    ]
}

fn secret() -> SecretId {
    SecretId { namespace: "shop".to_owned(), name: "pg-app".to_owned(), key: None, is_foreign: false }
}

fn unusable(fault: SecretFault) -> TableError {
    SecretError::Unusable { secret: secret(), fault }.into()
}

/// The error of an attempt in the database of a URL.
async fn apply_to(url: &str) -> TableError {
    let database = Database::new(Settings::read(Some(url), |_| None).unwrap().pool(1).unwrap());
    database.apply(&NoAnswer, &claim(owner("d")), &table(&spec("d", &[("a", "integer")]))).await.unwrap_err()
}

fn success(status: &TableStatus, generation: i64, applied: &Applied) -> TableStatus {
    status.after_success(stamp(generation), applied, &["a warning".to_owned()])
}

async fn states(world: &World) -> Vec<State> {
    let applied = world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.drop().await.unwrap();
    world.lose_the_status();
    let first = success(&TableStatus::default(), 1, &applied);
    let crd = serde_json::to_value(DatabaseTable::crd()).unwrap();
    let new = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"];
    let kopf = json!({"create_handler": {"table": "T", "columns": 1}});
    let mut both = serde_json::to_value(&first).unwrap();
    both["create_handler"] = kopf["create_handler"].clone();
    let state = |name, expected, object| State { name, expected, reason: None, object };
    let mut states = vec![
        State { reason: Some("Applied"), ..state("applied", "Current", object(1, &first, false)) },
        state("new", "InProgress", object(1, new, false)),
        state("new, under the Kopf demo's CRD", "Current", object(1, json!({}), false)),
        state("handled by Kopf", "Current", object(1, &kopf, false)),
        state("handled by Kopf, then by korf", "Current", object(1, &both, false)),
        state("changed, and not seen yet", "InProgress", object(2, &first, false)),
        state("changed and applied", "Current", object(2, success(&first, 2, &applied), false)),
        state("changed and taken back before it was seen", "InProgress", object(3, &first, false)),
        state("being deleted", "Terminating", object(2, &first, true)),
    ];
    let lasts = [Duration::ZERO, Duration::from_secs(120)];
    let failures = failures(world).await;
    let failures = failures.iter().flat_map(|(reason, expected, error)| {
        expected.iter().zip(lasts).map(move |(expected, lasts)| (*reason, *expected, (error, lasts)))
    });
    for (reason, expected, error) in failures {
        assert_eq!(error.0.reason().to_string(), reason, "{}", error.0);
        let status = |before: &TableStatus, generation| failed(before, generation, error, false);
        for (name, object) in [
            ("creation fails", object(1, status(&TableStatus::default(), 1), false)),
            ("change fails", object(2, status(&first, 2), false)),
            ("fails again", object(2, failed(&status(&first, 2), 2, error, false), false)),
        ] {
            states.push(State { name, expected, reason: Some(reason), object });
        }
        let after = success(&status(&first, 2), 3, &applied);
        states.push(state("applied after a failure", "Current", object(3, after, false)));
        let deleting = object(2, failed(&first, 2, error, true), true);
        states.push(State {
            name: "deletion fails",
            expected: "Terminating",
            reason: None,
            object: deleting,
        });
    }
    states
}

#[tokio::test]
async fn kstatus_says_of_every_state_what_tools_should_make_of_it() {
    let world = World::new("kstatus").await;
    let states = states(&world).await;
    for reason in reasons() {
        assert!(states.iter().any(|state| state.reason == Some(reason)), "no state has the reason {reason}");
    }
    // The README says the same.
    let readme = std::fs::read_to_string(Path::new(FOLDER).join("../../README.md")).unwrap();
    for state in &states {
        let Some(reason) = state.reason else { continue };
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{reason}` |"))).unwrap();
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        assert!(last.contains(state.expected), "{reason} is {} and not {last}", state.expected);
    }
    let list: Vec<_> = states
        .iter()
        .map(|state| {
            let name = [state.reason.unwrap_or_default(), state.name].join(" ");
            json!({"name": name.trim(), "expected": state.expected, "object": state.object})
        })
        .collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kstatus-{}.json", std::process::id()));
    std::fs::write(&file, serde_json::to_vec(&list).unwrap()).unwrap();
    run_go_test(&file).await;
    std::fs::remove_file(&file).unwrap();
    assert!(world.tables.drop_table(&Existing("1-2-3"), &claim(owner("a")), None).await.is_ok());
}

async fn run_go_test(states: &Path) {
    let mut go = Command::new("go");
    go.args(["test", "-count=1", "./..."])
        .current_dir(FOLDER)
        .env("KSTATUS_STATES", states)
        .stdin(Stdio::null());
    match tokio::task::spawn_blocking(move || go.output()).await.unwrap() {
        Ok(output) => {
            let text = [output.stdout, output.stderr]
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .concat();
            assert!(output.status.success(), "{text}");
        }
        Err(error) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but there is no Go: {error}");
            skip(&format!("there is no Go: {error}"));
        }
    }
}
