//! Modifying functions: handlers pass them to the write, which applies them to the newest state.

use crate::things::{Thing, ThingSpec, lines, raw, thing};
use korf::{
    Name, ObjectPatch, Operator, Result, SubHandlers,
    handler::{Handler, Registry},
};
use korf_testing::{
    Cluster,
    api::{Chaos, Delivery, Faults, Request, ServedKind},
};
use serde_json::{Value, json};
use std::time::Duration;
use tracing::Level;

const SECOND: Duration = Duration::from_secs(1);

/// Adds an item to a list, unless it is there.
fn add(pointer: &'static [&'static str], item: &'static str) -> impl Fn(&mut Value) + Send + Sync {
    move |object| {
        let list = pointer.iter().fold(object, |value, key| &mut value[key]);
        if list.is_null() {
            *list = json!([]);
        }
        let list = list.as_array_mut().unwrap();
        if !list.iter().any(|known| known == item) {
            list.push(item.into());
        }
    }
}

const ITEMS: &[&str] = &["spec", "items"];
const LOG: &[&str] = &["status", "log"];

fn cluster(handlers: impl IntoIterator<Item = Handler>) -> Cluster {
    let registry = Registry::from_iter(handlers);
    Cluster::of(move || Operator::with_registry("things", registry.clone())).unwrap()
}

/// Patches take a while to arrive.
struct Slow;

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Delivery {
        let there = if request.method == "PATCH" { SECOND } else { Duration::ZERO };
        Delivery::pass().taking(there, Duration::ZERO)
    }
}

#[test]
fn an_item_is_added_to_the_newest_state_of_a_list() {
    let mut cluster = cluster([korf::on_create::<Thing>("create").run(async |patch: ObjectPatch| {
        patch.modify(add(ITEMS, "ours"));
    })]);
    cluster.set_faults(Slow);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"items": ["theirs"]}})).unwrap();
    cluster.advance(10 * SECOND);
    assert_eq!(raw(&cluster, "a")["spec"]["items"], json!(["theirs", "ours"]));
    let calls =
        cluster.lines_about("a").iter().filter(|line| *line == "Handler 'create' is invoked.").count();
    assert_eq!((calls, cluster.writes().len()), (1, 3), "rejected, written, and the diff-base updated");
}

#[test]
fn a_status_change_of_a_function_goes_to_the_status_subresource() {
    let handler = || {
        korf::on_create::<Thing>("create").run(async |patch: ObjectPatch| {
            patch.modify(add(LOG, "created"));
            patch.modify(add(ITEMS, "ours"));
        })
    };
    for subresource in [true, false] {
        let mut cluster = cluster([handler()]);
        cluster.serve(ServedKind::of::<Thing>().with_status_subresource(subresource));
        cluster.restart().unwrap();
        cluster.create(&thing("a", "x")).unwrap();
        let object = raw(&cluster, "a");
        assert_eq!(
            (&object["status"]["log"], &object["spec"]["items"]),
            (&json!(["created"]), &json!(["ours"]))
        );
        // The last one updates the diff-base for the change of the spec, which has no handler.
        assert_eq!(cluster.writes().len(), if subresource { 3 } else { 2 });
    }
}

#[test]
fn event_handlers_and_sub_handlers_may_use_functions_too() {
    let parent = async |subs: SubHandlers<Thing>| {
        subs.add("sub", async |patch: ObjectPatch| patch.modify(add(LOG, "sub")));
    };
    let mut cluster = cluster([
        korf::on_event::<Thing>("event").run(async |patch: ObjectPatch| patch.modify(add(LOG, "event"))),
        korf::on_create::<Thing>("create").run(parent),
    ]);
    cluster.create(&thing("a", "x")).unwrap();
    assert_eq!(raw(&cluster, "a")["status"]["log"], json!(["event", "sub"]));
    let written = cluster.writes().len();
    cluster.patch::<Thing>("a", json!({"status": {"other": 1}})).unwrap();
    cluster.patch::<Thing>("a", json!({"status": {"log": []}})).unwrap();
    assert_eq!(raw(&cluster, "a")["status"]["log"], json!(["event"]));
    assert_eq!(cluster.writes().len(), written + 1, "where it changes nothing, nothing is written");
}

#[test]
fn a_panicking_function_is_logged_and_its_handler_succeeds() {
    let mut cluster = cluster([korf::on_create::<Thing>("create").run(async |patch: ObjectPatch| {
        patch.modify(|object| object["spec"]["items"].as_array_mut().unwrap().push(5.into()));
        patch.modify(|object| object["metadata"]["name"] = "b".into());
        patch.label("seen", Some("yes"));
    })]);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.advance(600 * SECOND);
    let errors = lines(&cluster, Level::ERROR, "Some changes by handlers aren't written: ");
    let messages: Vec<_> = errors.iter().map(|line| line.message.rsplit(": ").next().unwrap()).collect();
    let name = "handlers can't change `metadata.name`.";
    assert_eq!(messages, ["called `Option::unwrap()` on a `None` value.", name]);
    assert!(errors[0].message.contains("a function of handler 'create' has no effect: it panicked"));
    assert_eq!(raw(&cluster, "a")["metadata"]["labels"]["seen"], "yes");
    let invoked = cluster.lines_about("a").iter().filter(|line| line.ends_with("is invoked.")).count();
    assert_eq!((invoked, cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed.")), (1, true));
}

#[test]
fn a_function_that_replaces_all_annotations_does_not_remove_those_of_korf() {
    let mut cluster = cluster([
        korf::on_update::<Thing>("update").run(async |patch: ObjectPatch| {
            patch.modify(|object| object["metadata"]["annotations"] = json!({"mine": "1"}));
            patch.modify(|object| object["metadata"]["finalizers"] = json!([]));
        }),
        korf::on_delete::<Thing>("delete").run(async || ()),
    ]);
    cluster.create(&thing("a", "x")).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"text": "y"}})).unwrap();
    cluster.advance(600 * SECOND);
    let metadata = &raw(&cluster, "a")["metadata"];
    assert_eq!(metadata["finalizers"], json!(["things.korf.dev/finalizer"]));
    let keys: Vec<_> = metadata["annotations"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "mine",
            "things.korf.dev/kopf-managed",
            "things.korf.dev/korf-uid",
            "things.korf.dev/last-handled-configuration"
        ]
    );
    let count = |words: &str| cluster.lines_about("a").iter().filter(|line| line.starts_with(words)).count();
    assert_eq!(count("Adding the finalizer"), 1);
    assert_eq!(
        count("Handler 'update' is invoked."),
        2,
        "the annotation is a change, which changes nothing more"
    );
}

/// Adds the object's own name.
async fn sign(name: Name, patch: ObjectPatch) -> Result {
    let name = name.to_string();
    patch.modify(move |object| {
        let items = &mut object["spec"]["items"];
        if items.is_null() {
            *items = json!([]);
        }
        if let Value::Array(items) = items
            && !items.contains(&json!(name))
        {
            items.push(name.clone().into());
        }
    });
    Ok(())
}

/// Another client does the same: it reads, changes and writes.
fn add_by_hand(cluster: &mut Cluster, name: &str, item: &str) {
    let mut items = raw(cluster, name)["spec"]["items"].as_array().cloned().unwrap_or_default();
    items.push(item.into());
    cluster.patch::<Thing>(name, json!({"spec": {"items": items}})).unwrap();
}

#[test]
fn no_item_is_lost_despite_random_faults() {
    for seed in 0..100 {
        let handlers =
            || [korf::on_create::<Thing>("create").run(sign), korf::on_update::<Thing>("update").run(sign)];
        let mut cluster = cluster(handlers());
        cluster.set_faults(Chaos::seeded(seed));
        let mut expected = Vec::new();
        cluster.create(&Thing::new("a", ThingSpec::default())).unwrap();
        for item in ["1", "2", "3", "4"] {
            add_by_hand(&mut cluster, "a", item);
            expected.push(item);
            cluster.advance(SECOND / 5);
        }
        cluster.set_faults(());
        cluster.advance(600 * SECOND);
        let items = raw(&cluster, "a")["spec"]["items"].clone();
        let mut found: Vec<_> = items.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
        found.sort_unstable();
        expected.push("a");
        assert_eq!(found, expected, "seed {seed}");
    }
}
