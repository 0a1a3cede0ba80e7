//! An operator that dies between its two writes: of the status, and of the object.

use crate::things::{Thing, ThingStatus, raw, text, thing};
use korf::{Attempt, Body, Diff, Operator, Patch, Reason, Registry, Result, State, Status};
use korf_testing::{
    Cluster,
    api::{Fate, Faults, Request, Trouble},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<String>>>;

/// Says what it sees, and leaves something in both parts.
async fn sign(
    seen: State<Seen>,
    reason: Reason,
    attempt: Attempt,
    diff: Diff,
    body: Body,
    patch: Patch,
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

/// One more write arrives.
struct OneMore(bool);

impl Faults for OneMore {
    fn request(&mut self, request: &Request) -> Fate {
        let arrives = !request.is_write() || std::mem::take(&mut self.0);
        if arrives { Fate::pass() } else { Fate::before(Trouble::Silence) }
    }
}

/// An operator that dies after the first of two writes, and is started again.
fn dies_halfway(cluster: &mut Cluster, during: impl FnOnce(&mut Cluster)) -> Value {
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

/// The first of the two writes is there, and the handler is called for the same change, as if for the first time.
#[test]
fn a_death_between_status_and_object_loses_nothing_and_the_handler_sees_its_own_status() {
    let (mut cluster, seen) = cluster(false);
    let halfway = dies_halfway(&mut cluster, |cluster| drop(cluster.create(&thing("a", "x")).unwrap()));
    assert_eq!(
        (&halfway["status"], &halfway["metadata"]["annotations"]),
        (&json!({"calls": 1}), &Value::Null)
    );
    let halfway = dies_halfway(&mut cluster, |cluster| drop(cluster.patch::<Thing>("a", text("y")).unwrap()));
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
    assert!(cluster.said("a", "Updating is processed: 1 succeeded; 0 failed."));
}

/// With the status as the storage, it is the status that ends the cycle, and so comes last.
#[test]
fn a_death_between_object_and_status_loses_nothing_where_the_status_is_the_storage() {
    let (mut cluster, seen) = cluster(true);
    let halfway = dies_halfway(&mut cluster, |cluster| drop(cluster.create(&thing("a", "x")).unwrap()));
    assert_eq!(
        (&halfway["status"], &halfway["metadata"]["finalizers"]),
        (&Value::Null, &json!(["example.com/create"]))
    );
    let halfway = dies_halfway(&mut cluster, |cluster| drop(cluster.patch::<Thing>("a", text("y")).unwrap()));
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
