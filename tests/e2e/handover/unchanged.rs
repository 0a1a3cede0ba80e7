//! Handover of objects that the other operator has handled completely.

use super::fixture::{Handover, invoked, is_handled, stop, stored};
use crate::fixture::{OperatorProcess, manifest};
use serde_json::{Value, json};

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";

/// An object with everything that two languages may serialise differently: scripts, escapes, numbers, the
/// order of keys.
const AWKWARD: &str = r#"
apiVersion: kopf.demo/v1
kind: DatabaseTable
metadata:
  name: NAME
  labels: {zone: a, app: b}
  annotations:
    example.com/greeting: "Grüße, 日本語, 🦀"
    a.example.com/controls: "tab\t, \"quotes\", back\\slash, \u007f, \u2028, </script>&"
spec:
  tableName: NAME_größe
  primaryKey: größe
  columns:
    - größe: integer
    - "\"名前\"": varchar(50)
  zulu: 1
  Alpha: 2
  numbers: [1.0, 0.1, 1e21, 1.5e-9, -0.0, 9007199254740993, 123456789.125]
  nothing: {map: {}, list: [], text: ""}
  ähnlich: {z: [true, {b: 1, a: 2}], "": empty key}
"#;

fn awkward(name: &str) -> String {
    AWKWARD.replace("NAME", name)
}

/// Waits until an operator has logged `message` about these objects, and has handled a new object.
async fn until_processed(
    handover: &Handover,
    operator: &OperatorProcess,
    objects: &[&str],
    message: &str,
    probe: &str,
) {
    for object in objects {
        operator.wait_for_line(&format!("[{}/{object}] {message}", handover.fixture.namespace)).await;
    }
    handover.fixture.apply(&manifest(probe, probe, &["id"]));
    handover.fixture.until(probe, "it is handled", is_handled).await;
}

/// The lines about handlers of an object in an operator's log.
fn handler_lines(operator: &OperatorProcess, name: &str) -> Vec<String> {
    let lines = operator.lines().into_iter();
    lines.filter(|line| line.contains(&format!("/{name}] Handler '"))).collect()
}

#[tokio::test]
async fn objects_that_the_other_operator_has_handled_are_neither_handled_again_nor_written() {
    let Some(handover) = Handover::new("unchanged").await else { return };
    let fixture = &handover.fixture;
    let objects = async || [fixture.table("ours").await, fixture.table("theirs").await].map(Option::unwrap);

    let python = handover.python();
    fixture.apply(&awkward("theirs"));
    let theirs = fixture.until("theirs", "Kopf has handled it", is_handled).await;
    stop(python).await;

    let korf = handover.korf();
    let message = "Resuming is processed: 1 succeeded; 0 failed.";
    until_processed(&handover, &korf, &["theirs"], message, "probe").await;
    fixture.apply(&awkward("ours"));
    fixture.until("ours", "korf has handled it", is_handled).await;
    let korf = stop(korf).await;
    let before = objects().await;
    let theirs_now = &before[1];
    assert_eq!(
        theirs_now["metadata"]["annotations"], theirs["metadata"]["annotations"],
        "only the status is new"
    );
    assert_eq!(theirs_now["spec"], theirs["spec"]);
    assert_eq!(handler_lines(&korf, "theirs").len(), 2, "it has looked once");
    assert_eq!(invoked(&korf), ["resume_handler", "create_handler", "create_handler"]);

    // The essences are equal as JSON, but not as text: Kopf writes metadata last, and numbers as 1e+21.
    let essence = |object| -> Value {
        serde_json::from_str(stored(object, "last-handled-configuration").unwrap()).unwrap()
    };
    let mut ours = essence(&before[0]);
    ours["spec"]["tableName"] = "theirs_größe".into();
    assert_eq!(ours, essence(&before[1]));

    let python = handover.python();
    let message = "Handling cycle is finished, waiting for new changes.";
    until_processed(&handover, &python, &["ours", "theirs", "probe"], message, "again").await;
    stop(python).await;
    assert_eq!(objects().await, before, "Kopf wrote nothing");
    assert_eq!(
        handover.calls().await,
        ["python create_handler 0 create"; 2],
        "its own and the second probe's"
    );
    assert!(before.iter().all(|object| object["metadata"]["finalizers"] == json!([FINALIZER])));
}
