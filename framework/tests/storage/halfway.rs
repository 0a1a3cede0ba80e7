//! Crashes between the two writes of an operator: the status and the object.

use crate::things::{Thing, ThingStatus, raw, text, thing};
use korf::{
    Attempt, Diff, Error, ObjectPatch, Operator, Reason, Result, State, Status, extract::Body,
    handler::Registry,
};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes the state that it sees, and changes both parts.
async fn sign(
    seen: State<Seen>,
    reason: Reason,
    attempt: Attempt,
    diff: Diff,
    body: Body,
    patch: ObjectPatch,
) -> Result<Status<ThingStatus>> {
    let (calls, signs) = (&body.value()["status"]["calls"], &body.value()["metadata"]["finalizers"]);
    let mut seen = seen.lock().unwrap();
    seen.push(format!("{reason} #{} {} calls {calls}, signs {signs}", attempt.0, diff.len()));
    let sign = format!("example.com/{reason}");
    patch.modify(move |object| {
        let signs = &mut object["metadata"]["finalizers"];
        if signs.is_null() {
            *signs = json!([]);
        }
        let signs = signs.as_array_mut().unwrap();
        if !signs.contains(&json!(sign)) {
            signs.push(sign.clone().into());
        }
    });
    Ok(Status(ThingStatus { calls: Some(seen.len()) }))
}

/// Only one more write takes effect.
struct OneMore(bool);

impl Faults for OneMore {
    fn request(&mut self, request: &Request) -> Delivery {
        let arrives = !request.is_write() || std::mem::take(&mut self.0);
        if arrives { Delivery::pass() } else { Delivery::before(Fault::Silence) }
    }
}

/// Crashes the operator after the first of two writes, and restarts it.
fn crash_halfway(cluster: &mut Cluster, during: impl FnOnce(&mut Cluster)) -> Value {
    cluster.set_faults(OneMore(true));
    during(cluster);
    cluster.kill();
    cluster.set_faults(());
    let halfway = raw(cluster, "a");
    cluster.start().unwrap();
    halfway
}

fn cluster(in_status: bool) -> (Cluster, Seen) {
    let seen = Seen::default();
    let state = Arc::clone(&seen);
    let cluster = Cluster::of(move || {
        let operator = Operator::with_registry("things", Registry::default())
            .handler(korf::on_create::<Thing>("sign").run(sign))
            .handler(korf::on_update::<Thing>("sign").run(sign))
            .state(Arc::clone(&state));
        if in_status { operator.status_storage() } else { operator }
    });
    (cluster.unwrap(), seen)
}

/// The first write took effect, and the handler is called for the same change again.
#[test]
fn a_crash_between_status_and_object_loses_nothing_and_the_handler_sees_its_own_status() {
    let (mut cluster, seen) = cluster(false);
    let halfway = crash_halfway(&mut cluster, |cluster| drop(cluster.create(&thing("a", "x")).unwrap()));
    assert_eq!(
        (&halfway["status"], &halfway["metadata"]["annotations"]),
        (&json!({"calls": 1}), &Value::Null)
    );
    let halfway =
        crash_halfway(&mut cluster, |cluster| drop(cluster.patch::<Thing>("a", text("y")).unwrap()));
    assert_eq!(halfway["status"], json!({"calls": 3}));
    let signed = r#"["example.com/create"]"#;
    let expected = [
        "create #0 1 calls null, signs null",
        "create #0 1 calls 1, signs null",
        &format!("update #0 1 calls 2, signs {signed}"),
        &format!("update #0 1 calls 3, signs {signed}"),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let object = raw(&cluster, "a");
    assert_eq!(object["status"], json!({"calls": 4}));
    assert_eq!(object["metadata"]["finalizers"], json!(["example.com/create", "example.com/update"]));
    assert!(cluster.logged("a", "Updating is processed: 1 succeeded; 0 failed."));
}

/// With the status storage, the status ends the cycle, and so is written last.
#[test]
fn a_crash_between_object_and_status_loses_nothing_with_the_status_storage() {
    let (mut cluster, seen) = cluster(true);
    let halfway = crash_halfway(&mut cluster, |cluster| drop(cluster.create(&thing("a", "x")).unwrap()));
    assert_eq!(
        (&halfway["status"], &halfway["metadata"]["finalizers"]),
        (&Value::Null, &json!(["example.com/create"]))
    );
    let halfway =
        crash_halfway(&mut cluster, |cluster| drop(cluster.patch::<Thing>("a", text("y")).unwrap()));
    assert_eq!(halfway["status"]["calls"], 2);
    let (one, two) = (r#"["example.com/create"]"#, r#"["example.com/create","example.com/update"]"#);
    let expected = [
        "create #0 1 calls null, signs null",
        &format!("create #0 1 calls null, signs {one}"),
        &format!("update #0 1 calls 2, signs {one}"),
        &format!("update #0 1 calls 2, signs {two}"),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let object = raw(&cluster, "a");
    assert_eq!(
        (&object["status"]["calls"], &object["metadata"]["finalizers"]),
        (&json!(4), &serde_json::from_str(two).unwrap())
    );
}

/// The first write of the status meets a conflict.
struct ConflictOfStatus(bool);

impl Faults for ConflictOfStatus {
    fn request(&mut self, request: &Request) -> Delivery {
        let conflicts = request.path.ends_with("/status") && std::mem::take(&mut self.0);
        if conflicts { Delivery::before(Fault::Rejected(409)) } else { Delivery::pass() }
    }
}

/// The change is there already when the status is drafted again, but it is still the handler's own.
#[test]
fn a_handlers_own_change_does_not_call_it_early_where_the_status_is_written_again() {
    let seen = Seen::default();
    let state = Arc::clone(&seen);
    let mut cluster = Cluster::of(move || {
        let change = async |seen: State<Seen>, attempt: Attempt, patch: ObjectPatch| {
            seen.lock().unwrap().push(format!("#{}", attempt.0));
            patch.modify(|object| object["spec"]["text"] = "changed".into());
            Err::<(), _>(Error::temporary("not yet", Duration::from_secs(60)))
        };
        Operator::with_registry("things", Registry::default())
            .handler(korf::on_create::<Thing>("change").run(change))
            .state(Arc::clone(&state))
            .status_storage()
    })
    .unwrap();
    cluster.set_faults(ConflictOfStatus(true));
    cluster.create(&thing("a", "x")).unwrap();
    cluster.advance(Duration::from_secs(50));
    assert_eq!(raw(&cluster, "a")["spec"]["text"], "changed");
    assert_eq!(*seen.lock().unwrap(), ["#0"]);
    cluster.advance(Duration::from_secs(20));
    assert_eq!(*seen.lock().unwrap(), ["#0", "#1"]);
}
