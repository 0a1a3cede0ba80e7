//! Operators that find all done by the other one.

use super::turns::{Turns, invoked, is_handled, kept, stop};
use crate::stage::{Operator, manifest};
use serde_json::{Value, json};

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";

/// An object with all that two languages may write differently: scripts, escapes, numbers, the order of keys.
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

/// Waits until an operator has looked at these objects, and has handled a new one.
async fn is_past(turns: &Turns, operator: &Operator, objects: &[&str], words: &str, probe: &str) {
    for object in objects {
        operator.wait_for_line(&format!("[{}/{object}] {words}", turns.stage.namespace)).await;
    }
    turns.stage.apply(&manifest(probe, probe, &["id"]));
    turns.stage.until(probe, "it is handled", is_handled).await;
}

/// What an operator says that it did to an object.
fn handled(operator: &Operator, name: &str) -> Vec<String> {
    let lines = operator.lines().into_iter();
    lines.filter(|line| line.contains(&format!("/{name}] Handler '"))).collect()
}

#[tokio::test]
async fn nothing_is_called_or_written_where_the_other_operator_has_handled_all() {
    let Some(turns) = Turns::new("unchanged").await else { return };
    let stage = &turns.stage;
    let objects = async || [stage.table("ours").await, stage.table("theirs").await].map(Option::unwrap);

    let python = turns.python();
    stage.apply(&awkward("theirs"));
    let theirs = stage.until("theirs", "Python has handled it", is_handled).await;
    stop(python).await;

    let korf = turns.korf();
    let words = "Something has changed, but we are not interested (the essence is the same).";
    is_past(&turns, &korf, &["theirs"], words, "probe").await;
    stage.apply(&awkward("ours"));
    stage.until("ours", "korf has handled it", is_handled).await;
    let korf = stop(korf).await;
    let before = objects().await;
    assert_eq!(before[1], theirs, "korf wrote nothing");
    assert_eq!(handled(&korf, "theirs"), [""; 0]);
    assert_eq!(invoked(&korf), ["create_handler"; 2], "the probe's and its own");

    // Kopf has metadata after the rest, and writes numbers as 1e+21.
    let essence = |object| -> Value {
        serde_json::from_str(kept(object, "last-handled-configuration").unwrap()).unwrap()
    };
    let mut ours = essence(&before[0]);
    ours["spec"]["tableName"] = "theirs_größe".into();
    assert_eq!(ours, essence(&before[1]));

    let python = turns.python();
    let words = "Handling cycle is finished, waiting for new changes.";
    is_past(&turns, &python, &["ours", "theirs", "probe"], words, "again").await;
    stop(python).await;
    assert_eq!(objects().await, before, "Python wrote nothing");
    assert_eq!(turns.calls().await, ["python create_handler 0 create"; 2], "its own and the second probe's");
    assert!(before.iter().all(|object| object["metadata"]["finalizers"] == json!([FINALIZER])));
}
