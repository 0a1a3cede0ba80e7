//! Selectors: only matching objects are listed and watched.

use crate::{
    NOTHING, reason, size,
    things::{Seen, Thing, cluster, cluster_of, thing},
};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{
    Name, Operator, RunError, State, daemon, extract::WatchEventType, handler::Registry, on_create,
    on_delete, on_event, on_update,
};
use korf_testing::Cluster;
use kube::core::Expression;
use serde_json::{Value, json};

fn labelled(value: impl Into<Value>) -> Value {
    json!({"metadata": {"labels": {"app": value.into()}}})
}

fn mine() -> Expression {
    Expression::Equal("app".into(), "mine".into())
}

/// The selectors of the watch requests.
fn selectors(cluster: &Cluster) -> Vec<Option<String>> {
    let watches = cluster.server().exchanges().into_iter().filter(|exchange| exchange.request.is_watch());
    watches.map(|exchange| exchange.request.query.get("labelSelector").cloned()).collect()
}

async fn raw(seen: State<Seen>, event: WatchEventType) {
    seen.note(format!("{event:?}"));
}

async fn gone(seen: State<Seen>, name: Name) {
    seen.note(format!("{name} is gone"));
}

fn select(operator: Operator) -> Operator {
    operator.select::<Thing>(mine())
}

#[test]
fn objects_that_do_not_match_the_selector_are_not_sent() {
    let handlers = [on_create::<Thing>("c").run(reason), on_update::<Thing>("u").run(reason)];
    let (mut cluster, seen) = cluster_of(handlers, select);
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
fn a_selector_is_rejected_if_a_delete_handler_needs_a_finalizer() {
    let start = |optional: bool| {
        let delete = on_delete::<Thing>("d");
        let delete = if optional { delete.optional() } else { delete }.run(gone);
        let operator = move || {
            let registry = Registry::from_iter([delete.clone()]);
            select(Operator::with_registry("things", registry).state(Seen::default()))
        };
        Cluster::of(operator).map(|cluster| selectors(&cluster)).map_err(|error| error.to_string())
    };
    assert_eq!(start(true), Ok(vec![Some("app=mine".to_owned())]));
    let error = start(false).unwrap_err();
    assert!(error.contains("Thing") && error.contains("`d`") && error.contains("optional"), "{error}");
}

#[test]
fn a_selector_is_rejected_if_a_daemon_has_a_finalizer_and_the_advice_fits_it() {
    let operator = || {
        let daemon = daemon::<Thing>("d").finalizer().run(gone);
        select(Operator::with_registry("things", Registry::from_iter([daemon])).state(Seen::default()))
    };
    let error = Cluster::of(operator).unwrap_err().to_string();
    assert!(error.contains("until it has ended") && error.contains("leave out its `finalizer`"), "{error}");
    assert!(!error.contains("optional"), "{error}");
}

#[test]
fn without_a_selector_all_objects_are_watched_and_no_old_finalizer_keeps_them() {
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
fn an_object_that_stops_matching_the_selector_and_matches_again_at_once_is_handled() {
    let handlers = [on_create::<Thing>("c").run(reason), on_update::<Thing>("u").run(reason)];
    let (mut cluster, seen) = cluster_of(handlers, select);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    // All three arrive at the same time.
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
fn event_handlers_receive_a_deletion_when_an_object_stops_matching_the_selector() {
    let (mut cluster, seen) = cluster_of([on_event::<Thing>("e").run(raw)], select);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    assert_eq!(seen.take(), ["Added"]);
    cluster.patch::<Thing>("a", labelled("another")).unwrap();
    assert_eq!(seen.take(), ["Deleted"]);
    cluster.patch::<Thing>("a", labelled("mine")).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["Added", "Deleted"]);
}

#[test]
fn a_selector_for_a_kind_without_handlers_is_rejected() {
    let create = on_create::<Thing>("c").run(reason);
    let operator = move || {
        let operator = Operator::with_registry("things", Registry::from_iter([create.clone()]));
        operator.state(Seen::default()).select::<ConfigMap>(mine())
    };
    let rejected = Cluster::of(operator).unwrap_err();
    assert!(matches!(&rejected, RunError::NoHandlers(kind) if kind == "ConfigMap"), "{rejected}");
}
