//! What the API server is asked for: all objects of a kind, or some of them.

use crate::{
    NOTHING, reason, size,
    things::{Seen, Thing, cluster, cluster_of, thing},
};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{EventType, Name, Operator, Registry, RunError, State, on_create, on_delete, on_event, on_update};
use korf_testing::Cluster;
use kube::core::Expression;
use serde_json::{Value, json};

fn labelled(value: impl Into<Value>) -> Value {
    json!({"metadata": {"labels": {"app": value.into()}}})
}

fn mine() -> Expression {
    Expression::Equal("app".into(), "mine".into())
}

/// What the watches were asked for.
fn selectors(cluster: &Cluster) -> Vec<Option<String>> {
    let watches = cluster.server().exchanges().into_iter().filter(|exchange| exchange.request.is_watch());
    watches.map(|exchange| exchange.request.query.get("labelSelector").cloned()).collect()
}

async fn raw(seen: State<Seen>, event: EventType) {
    seen.note(format!("{event:?}"));
}

async fn gone(seen: State<Seen>, name: Name) {
    seen.note(format!("{name} is gone"));
}

#[test]
fn objects_without_the_label_of_all_handlers_are_not_even_sent() {
    let handlers = [
        on_create::<Thing>("c").label("app", "mine").run(reason),
        on_update::<Thing>("u").label("app", "mine").run(reason),
    ];
    let (mut cluster, seen) = cluster_of(handlers, Operator::narrow);
    assert_eq!(selectors(&cluster), [Some("app=mine".to_owned())]);
    cluster.create(&thing("a", 1)).unwrap();
    assert_eq!(seen.take(), NOTHING);
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    assert_eq!(seen.take(), ["create"]);
    cluster.patch::<Thing>("a", labelled(Value::Null)).unwrap();
    cluster.patch::<Thing>("a", size(2)).unwrap();
    assert_eq!(seen.take(), NOTHING);
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    assert_eq!(seen.take(), ["update"]);
}

#[test]
fn where_a_finalizer_is_needed_all_objects_are_watched_unless_told_otherwise() {
    let handlers = || [on_delete::<Thing>("d").label("app", "mine").run(gone)];
    assert_eq!(selectors(&cluster_of(handlers(), Operator::narrow).0), [None]);
    let (told, _) = cluster_of(handlers(), |operator| operator.select::<Thing>(mine()));
    assert_eq!(selectors(&told), [Some("app=mine".to_owned())]);
}

#[test]
fn what_an_earlier_operator_has_left_holds_no_object_back_unless_the_watch_is_narrow() {
    let create = on_create::<Thing>("c").label("app", "mine").run(reason);
    let (mut cluster, _) = cluster([create]);
    assert_eq!(selectors(&cluster), [None]);
    let mut left = thing("a", 1);
    left.metadata.finalizers = Some(vec!["things.korf.dev/finalizer".into()]);
    cluster.create(&left).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_is_out_of_sight_is_not_held_back() {
    let delete = on_delete::<Thing>("d").run(gone);
    let (mut cluster, seen) = cluster_of([delete], |operator| operator.select::<Thing>(mine()));
    cluster.create(&thing("a", 1)).unwrap();
    let finalizers =
        |cluster: &Cluster| cluster.get::<Thing>("a").unwrap().metadata.finalizers.unwrap_or_default();
    assert!(finalizers(&cluster).is_empty());
    for _ in 0..2 {
        cluster.patch::<Thing>("a", labelled("mine")).unwrap();
        assert_eq!(finalizers(&cluster).len(), 1);
        cluster.patch::<Thing>("a", labelled("another")).unwrap();
        assert!(finalizers(&cluster).is_empty());
        assert!(cluster.said("a", "Removing the finalizer, as there are no handlers requiring it."));
    }
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["a is gone"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn an_object_that_goes_out_of_sight_and_comes_back_at_once_is_handled() {
    let update = on_update::<Thing>("u").label("app", "mine").run(reason);
    let create = on_create::<Thing>("c").label("app", "mine").run(reason);
    let (mut cluster, seen) = cluster_of([create, update], Operator::narrow);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    // All three come in one moment.
    let server = cluster.server().clone();
    let away = [labelled("another"), size(2), labelled("mine")];
    cluster.run(async move {
        for patch in away {
            let path = "/apis/korf.dev/v1/namespaces/default/things/a";
            server.ask(korf_testing::api::Request::new("user", http::Method::PATCH, path, patch)).unwrap();
        }
    });
    cluster.settle();
    assert_eq!(seen.take(), ["create", "update"]);
}

#[test]
fn handlers_of_raw_events_hear_of_deletions_and_not_of_those_that_are_out_of_sight() {
    let (mut cluster, seen) =
        cluster_of([on_event::<Thing>("e").label("app", "mine").run(raw)], Operator::narrow);
    assert_eq!(selectors(&cluster), [Some("app=mine".to_owned())]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    assert_eq!(seen.take(), ["Added"]);
    cluster.patch::<Thing>("a", labelled("another")).unwrap();
    assert_eq!(seen.take(), NOTHING);
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["Added", "Deleted"]);
}

#[test]
fn a_selector_for_a_kind_without_handlers_is_refused() {
    let create = on_create::<Thing>("c").run(reason);
    let operator = move || {
        let operator = Operator::with_registry("things", Registry::from_iter([create.clone()]));
        operator.state(Seen::default()).select::<ConfigMap>(mine())
    };
    let refused = Cluster::of(operator).unwrap_err();
    assert!(matches!(&refused, RunError::NoHandlers(kind) if kind == "ConfigMap"), "{refused}");
}
