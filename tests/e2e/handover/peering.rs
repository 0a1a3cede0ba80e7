//! Peering of the real Kopf and korf: only one of them is at work at a time.

use super::fixture::{Handover, invoked, is_handled, is_handled_with, stop};
use crate::fixture::{KOPF_DEMO_CR, OperatorProcess, eventually, kopf_demo_cr_with_country};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
};

const KORF: &str = env!("CARGO_BIN_EXE_database-table-operator");

/// What Kopf says when it goes on; the first time when it has seen that it is alone.
const KOPF_RESUMES: &str = "Resuming operations after the pause";
const KOPF_PAUSES: &str = "Pausing operations in favour of";

/// A command of either operator's program, which asks for a pause in the test's namespace, or ends it.
fn ask(handover: &Handover, program: &Path, command: &str, arguments: &[&str]) -> Output {
    let mut command_line = Command::new(program);
    command_line
        .args([command, "--namespace", &handover.fixture.namespace, "--peering=tables"])
        .args(arguments);
    command_line.env("KUBECONFIG", handover.fixture.cluster.control_plane.kubeconfig()).output().unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The records of the peers.
async fn peers(handover: &Handover) -> Value {
    let peerings = handover.fixture.api("kopf.dev/v1", "KopfPeering", "kopfpeerings");
    peerings.get("tables").await.unwrap().data["status"].clone()
}

fn korf(handover: &Handover, arguments: &[&str]) -> OperatorProcess {
    let command = handover.fixture.operator().env("TZ", "UTC").arg("--peering=tables");
    arguments.iter().fold(command, |command, argument| command.arg(argument)).start()
}

async fn is_handled_by_kopf(handover: &Handover, text: &str) {
    handover
        .fixture
        .until("website-users", "Kopf has handled it", |object| is_handled_with(object, text))
        .await;
}

/// Waits until korf is at work.
async fn until_at_work(handover: &Handover) {
    let is_at_work = |peers: &Value| peers.to_string().contains("\"atWork\":true");
    eventually("korf is at work", async || peers(handover).await, is_at_work).await;
}

#[tokio::test]
async fn korfs_command_pauses_an_operator_of_kopf_and_lets_it_go_on() {
    let Some(handover) = Handover::in_peering("peering-freeze").await else { return };
    let python = handover.peer(&[]);
    python.wait_for_lines(KOPF_RESUMES, 1).await;
    let printed = succeeded(&ask(
        &handover,
        KORF.as_ref(),
        "freeze",
        &["--lifetime=300", "--id=admin", "--message=so"],
    ));
    let title = format!("KopfPeering.kopf.dev \"tables\" in namespace {:?}", handover.fixture.namespace);
    assert_eq!(printed, format!("{title}: operators with a priority up to 100 pause for 300 seconds.\n"));
    python.wait_for_lines(KOPF_PAUSES, 1).await;
    handover.fixture.apply(KOPF_DEMO_CR);
    succeeded(&ask(&handover, KORF.as_ref(), "resume", &["--id=admin"]));
    python.wait_for_lines(KOPF_RESUMES, 2).await;
    is_handled_by_kopf(&handover, "SIGNUP_DATE").await;
    let lines = stop(python).await.lines();
    let line_of = |text: &str, number: usize| {
        lines.iter().enumerate().filter(|(_, line)| line.contains(text)).nth(number).unwrap().0
    };
    assert!(
        line_of("'create_handler' is invoked", 0) > line_of(KOPF_RESUMES, 1),
        "it was paused: {lines:#?}"
    );

    let mut unknown = Command::new(KORF);
    unknown.args(["freeze", "--peering=none", "--lifetime=1", "--namespace", &handover.fixture.namespace]);
    let unknown =
        unknown.env("KUBECONFIG", handover.fixture.cluster.control_plane.kubeconfig()).output().unwrap();
    let words = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(words, "error: there is no KopfPeering \"none\": create it, or name another one\n");
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test]
async fn kopfs_command_pauses_korf_and_lets_it_go_on() {
    let Some(handover) = Handover::in_peering("peering-frozen").await else { return };
    let korf = korf(&handover, &[]);
    until_at_work(&handover).await;
    succeeded(&ask(&handover, handover.program(), "freeze", &["--lifetime=300", "--id=admin"]));
    korf.wait_for_line("Pausing operations in favour of 'admin'").await;
    handover.fixture.apply(KOPF_DEMO_CR);
    // What comes first is seen first: it is done with the pause when it says that nothing is under way.
    eventually(
        "korf has paused",
        async || peers(&handover).await,
        |peers| peers.to_string().contains("\"atWork\":false"),
    )
    .await;
    assert_eq!(korf.count_lines("' is invoked."), 0);
    succeeded(&ask(&handover, handover.program(), "resume", &["--id=admin"]));
    korf.wait_for_line("Resuming operations after the pause").await;
    handover.fixture.until_ready("website-users").await;
    assert_eq!(invoked(&stop(korf).await), ["create_handler"]);
    assert_eq!(peers(&handover).await, serde_json::json!({}));
}

#[tokio::test]
async fn kopf_pauses_for_korf_with_a_greater_priority_and_goes_on_after_it() {
    let Some(handover) = Handover::in_peering("peering-above").await else { return };
    let python = handover.peer(&[]);
    python.wait_for_lines(KOPF_RESUMES, 1).await;
    let korf = korf(&handover, &["--priority=10"]);
    python.wait_for_lines(KOPF_PAUSES, 1).await;
    korf.wait_for_line("Waiting until '").await;
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until_ready("website-users").await;
    assert_eq!(handover.calls().await, [""; 0]);
    assert_eq!(invoked(&stop(korf).await), ["create_handler"]);
    python.wait_for_lines(KOPF_RESUMES, 2).await;
    handover.fixture.apply(&kopf_demo_cr_with_country());
    is_handled_by_kopf(&handover, "COUNTRY").await;
    assert_eq!(handover.calls().await, ["python update_handler 0 update"]);
    stop(python).await;
}

#[tokio::test]
async fn korf_pauses_for_kopf_with_a_greater_priority_and_goes_on_when_it_was_killed() {
    let Some(handover) = Handover::in_peering("peering-below").await else { return };
    let korf = korf(&handover, &[]);
    until_at_work(&handover).await;
    let mut python = handover.peer(&["--dev"]);
    korf.wait_for_line("its priority is 666, and this operator's 0").await;
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until("website-users", "Kopf has created it", is_handled).await;
    python.kill_9();
    handover.fixture.apply(&kopf_demo_cr_with_country());
    korf.wait_for_line("Resuming operations after the pause").await;
    let updated = |object: &Value| object["status"]["columnCount"] == 6;
    handover.fixture.until("website-users", "korf has updated it", updated).await;
    assert_eq!(handover.calls().await, ["python create_handler 0 create"]);
    assert!(!invoked(&stop(korf).await).contains(&"create_handler".to_owned()));
}

#[tokio::test]
async fn of_kopf_and_korf_with_one_priority_kopf_pauses_and_korf_says_so() {
    let Some(handover) = Handover::in_peering("peering-equal").await else { return };
    let python = handover.peer(&[]);
    python.wait_for_lines(KOPF_RESUMES, 1).await;
    let korf = korf(&handover, &[]);
    python.wait_for_line("Pausing all operators, including self").await;
    korf.wait_for_line("pauses: it has the same priority.").await;
    handover.fixture.apply(KOPF_DEMO_CR);
    handover.fixture.until_ready("website-users").await;
    assert_eq!(handover.calls().await, [""; 0]);
    stop(python).await;
    stop(korf).await;
}
