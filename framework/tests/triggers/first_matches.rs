//! Objects that begin to match: their first match is a creation.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Name, State, handler::Handler, on_create, on_field, on_update};
use serde_json::json;

async fn note(seen: State<Seen>, name: Name) {
    seen.note(&*name);
}

fn on_size() -> Handler {
    on_update::<Thing>("grow").field("spec.size").run(note)
}

const WHY: &str = "no handler has been for it before: that is its creation";

#[test]
fn the_log_says_why_an_update_handler_whose_field_appears_is_not_called() {
    let (mut cluster, seen) = cluster([on_size()]);
    let mut blank = thing("a", 1);
    blank.spec.size = None;
    cluster.create(&blank).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 1}})).unwrap();
    assert!(seen.take().is_empty());
    cluster.assert_logged("a", WHY);
    cluster.assert_logged("a", "'grow/spec.size'");
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["a"]);
    cluster.patch::<Thing>("a", json!({"spec": {"size": null}})).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 3}})).unwrap();
    assert_eq!(seen.take(), ["a", "a"], "it is known by now");
    assert_eq!(cluster.lines_about("a").iter().filter(|line| line.contains(WHY)).count(), 1);
}

#[test]
fn a_field_handler_beside_it_makes_no_update_of_it() {
    let field = on_field::<Thing>("size", "spec.size").run(note);
    let (mut cluster, seen) = cluster([on_size(), field]);
    let mut blank = thing("a", 1);
    blank.spec.size = None;
    cluster.create(&blank).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 1}})).unwrap();
    assert_eq!(seen.take(), ["a"], "the field handler is called");
    cluster.assert_logged("a", WHY);
}

#[test]
fn nobody_is_told_that_the_creation_of_a_new_object_is_no_update() {
    let (mut cluster, _) = cluster([on_size()]);
    cluster.create(&thing("a", 1)).unwrap();
    assert!(!cluster.logged("a", WHY));
}

#[test]
fn nobody_is_told_where_a_create_handler_is_called() {
    let create = on_create::<Thing>("make").field("spec.size").run(note);
    let (mut cluster, seen) = cluster([create, on_size()]);
    let mut blank = thing("a", 1);
    blank.spec.size = None;
    cluster.create(&blank).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 1}})).unwrap();
    assert_eq!(seen.take(), ["a"]);
    assert!(!cluster.logged("a", WHY));
}
