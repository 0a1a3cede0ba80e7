//! When the finalizer goes.

use crate::things::{Seen, Thing, cluster, thing};
use http::Method;
use korf::{
    State, on_delete,
    testing::api::{Fate, Faults, Request},
};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// An API server to which it is a long way.
struct Far;

impl Faults for Far {
    fn request(&mut self, request: &Request) -> Fate {
        let way = if request.method == Method::PATCH { SECOND } else { Duration::ZERO };
        Fate::pass().taking(way, Duration::ZERO)
    }
}

fn label(value: &str) -> Value {
    json!({"metadata": {"labels": {"tier": value}}})
}

#[test]
fn an_object_that_another_deletion_handler_is_for_in_the_moment_in_which_the_finalizer_goes_waits_for_that_one()
 {
    let handler = |id: &'static str, tier: &'static str| {
        on_delete::<Thing>(id).label("tier", tier).run(async move |seen: State<Seen>| seen.note(id))
    };
    let (mut cluster, seen) = cluster([handler("keep", "gold"), handler("drop", "silver")]);
    let mut object = thing("a", 1);
    object.metadata.labels = Some([("tier".to_owned(), "gold".to_owned())].into());
    cluster.create(&object).unwrap();
    cluster.set_faults(Far);
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["keep"]);
    assert!(cluster.exists::<Thing>("a"), "the finalizer is on its way");
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(seen.take(), ["drop"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_is_no_longer_given_up_keeps_its_finalizer() {
    let handler = on_delete::<Thing>("keep").label("tier", "gold").run(async || {});
    let (mut cluster, _) = cluster([handler]);
    let mut object = thing("a", 1);
    object.metadata.labels = Some([("tier".to_owned(), "gold".to_owned())].into());
    cluster.create(&object).unwrap();
    cluster.set_faults(Far);
    cluster.patch::<Thing>("a", label("silver")).unwrap();
    cluster.patch::<Thing>("a", label("gold")).unwrap();
    cluster.advance(30 * SECOND);
    assert_eq!(
        cluster.get::<Thing>("a").unwrap().metadata.finalizers.unwrap(),
        ["things.korf.dev/finalizer"]
    );
    let removals = cluster
        .writes()
        .into_iter()
        .filter(|write| write.request.body["metadata"]["finalizers"] == json!([]));
    assert_eq!(removals.map(|write| write.code).collect::<Vec<_>>(), [Some(409)]);
}
