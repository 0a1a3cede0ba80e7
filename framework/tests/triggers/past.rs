//! Previous states that don't fit the current types of handlers.

use crate::things::{Seen, Thing, ThingStatus, cluster, thing};
use korf::{
    New, Old, OldSpec, Reason, Result, Spec, State, extract::OldObject, handler::Handler, on_create,
    on_delete, on_field, on_update,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A newer version of the type: sizes of at least ten.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Thing", root = "Big", namespaced, status = "ThingStatus")]
pub struct BigSpec {
    pub size: Ten,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct Ten(u32);

impl TryFrom<u32> for Ten {
    type Error = &'static str;

    fn try_from(size: u32) -> Result<Self, Self::Error> {
        if size < 10 { Err("too small") } else { Ok(Self(size)) }
    }
}

fn size(size: u32) -> Value {
    json!({"spec": {"size": size}})
}

async fn spec(seen: State<Seen>, old: OldSpec<BigSpec>, new: Spec<BigSpec>) {
    seen.note(format!("{} → {}", old.size.0, new.size.0));
}

async fn object(seen: State<Seen>, old: OldObject<Big>, new: Spec<BigSpec>) {
    seen.note(format!("{} → {}", old.spec.size.0, new.size.0));
}

async fn field(seen: State<Seen>, old: Old<Ten>, new: New<Ten>) {
    seen.note(format!("{} → {}", old.0.0, new.0.0));
}

fn is_no_creation(reason: Reason) -> bool {
    reason != Reason::Create
}

/// Handlers with each kind of argument for the previous state.
fn handlers() -> [Handler; 3] {
    [
        on_update::<Big>("f").run(spec),
        on_update::<Big>("f").run(object),
        on_field::<Big>("f", "spec.size").when(is_no_creation).run(field),
    ]
}

#[test]
fn an_update_from_a_state_that_no_longer_fits_fails_and_the_next_one_succeeds() {
    for handler in handlers() {
        let (mut cluster, seen) = cluster([on_create::<Big>("create").run(async || {}), handler.clone()]);
        cluster.create(&thing("a", 1)).unwrap();
        cluster.patch::<Thing>("a", size(20)).unwrap();
        assert_eq!(seen.take(), [""; 0]);
        let failed =
            |line: &String| line.contains("failed permanently") && line.contains("as it was handled last");
        assert_eq!(cluster.lines_about("a").iter().filter(|line| failed(line)).count(), 1);
        assert!(cluster.logged("a", "Updating is processed: 0 succeeded; 1 failed."));
        cluster.patch::<Thing>("a", size(30)).unwrap();
        assert_eq!(seen.take(), ["20 → 30"]);
    }
}

#[test]
fn a_state_that_does_not_fit_never_becomes_the_previous_state() {
    for handler in handlers() {
        let (mut cluster, seen) = cluster([on_create::<Big>("create").run(async || {}), handler.clone()]);
        cluster.create(&thing("a", 20)).unwrap();
        for wrong in 1..4 {
            cluster.patch::<Thing>("a", size(wrong)).unwrap();
        }
        cluster.patch::<Thing>("a", size(30)).unwrap();
        assert_eq!(seen.take(), ["20 → 30"]);
    }
}

#[test]
fn an_object_that_never_fitted_waits_until_it_does() {
    for handler in handlers() {
        let (mut cluster, seen) = cluster([on_create::<Big>("create").run(async || {}), handler.clone()]);
        cluster.create(&thing("a", 1)).unwrap();
        for new in [2, 3, 20, 30] {
            cluster.patch::<Thing>("a", size(new)).unwrap();
        }
        assert_eq!(seen.take(), ["20 → 30"]);
        assert!(cluster.logged("a", "Updating is processed: 1 succeeded; 0 failed."));
    }
}

#[test]
fn a_deletion_is_not_blocked_by_a_previous_field_that_no_longer_fits() {
    let [.., handler] = handlers();
    let drop = on_delete::<Big>("drop").run(async |seen: State<Seen>| seen.note("dropped"));
    let (mut cluster, seen) = cluster([on_create::<Big>("create").run(async || {}), handler, drop]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.kill();
    cluster.patch::<Thing>("a", size(20)).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    cluster.start().unwrap();
    assert_eq!(seen.take(), ["dropped"]);
    assert!(!cluster.exists::<Thing>("a"));
}
