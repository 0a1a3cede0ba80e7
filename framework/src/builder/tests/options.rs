//! Attributes and builders with the other triggers and with filters.

use super::{Table, TableStatus, answer, change, event, event_call, registered};
use crate::{
    Diff, New, Old, Reason, Result, Status,
    call::tests::{change_call, table},
    core::{diff::diff, filter::Filter, handler::OnChange},
    extract::{Body, OldValue, Param, WatchEventType},
    families::Change,
    filter::{ChangeInput, FilterInput, Match, all},
    handler::Reply,
    on_delete, on_event, on_field, on_resume,
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const TIER: &str = "tier";

fn has_spec(body: Body) -> bool {
    body.value()["spec"].is_object()
}

#[korf::on_create(
    Table,
    id = "filtered",
    labels = {"app": "web", TIER: present, "old": absent, "no key": absent, "size": |size| size != "small"},
    annotations = {"example.com/note": format!("{}", 1)},
    when = all((has_spec, |reason: Reason| reason == Reason::Create)),
)]
async fn filtered() {}

#[korf::on_update(Table, field = "spec.table", old = "a", new = present)]
#[korf::on_update(Table, id = "other", field = ["metadata", "labels", "a.b/c"], value = |v| v == 1, param = "x")]
#[korf::on_resume(Table, deleted, param = "y")]
async fn several(_param: Param<&'static str>) -> Result<Value> {
    Ok(Value::Null)
}

#[korf::on_delete(Table, optional)]
#[korf::on_delete(Table, id = "letting", release_on_failure)]
async fn dropped() -> Result<Status<TableStatus>> {
    Ok(Status(TableStatus { rows: 0 }))
}

#[korf::on_field(Table, field = "spec.size", when = |diff: Diff| diff.len() == 1)]
async fn resized(Old(old): Old<Option<u32>>, New(new): New<Option<u32>>, json: OldValue) -> Result<Value> {
    Ok(json!([*old, *new, *json]))
}

#[korf::on_event(Table, timeout = Duration::from_secs(1))]
#[korf::on_event(Table, id = "odd", field = ["my.field", ""])]
async fn seen(event: WatchEventType) -> Result<Value> {
    Ok(format!("{event:?}").into())
}

/// Whether a filter is for a new object of such labels.
fn selects(filter: &Filter, labels: Value) -> bool {
    let mut object = table(json!({"table": "a"}));
    object["metadata"]["labels"] = labels;
    object["metadata"]["annotations"] = json!({"example.com/note": "1"});
    let (body, old, new) = (object.into(), Value::Null, json!({}));
    let diff = diff(&old, &new);
    let change = ChangeInput { reason: Reason::Create, old: None, new: &Arc::new(new), diff: &diff };
    filter.selects(&FilterInput { body: &body, change: Some(change) }, false).unwrap()
}

#[test]
fn filters_stand_in_attributes() {
    let handler = registered("filtered").unwrap();
    let filter = handler.filter();
    for (labels, expected) in [
        (json!({"app": "web", "tier": "x"}), true),
        (json!({"app": "web", "tier": "x", "size": "big"}), true),
        (json!({"app": "web", "tier": "x", "size": "small"}), false),
        (json!({"app": "web", "tier": "x", "old": "x"}), false),
        (json!({"app": "web"}), false),
        (json!({"app": "db", "tier": "x"}), false),
    ] {
        assert_eq!(selects(filter, labels.clone()), expected, "{labels}");
    }
    assert!(filter.when.is_some());
    assert_eq!(filter.check(), Ok(()), "no object has a label `no key`");
}

#[test]
fn a_list_of_keys_is_a_field_though_a_text_of_that_look_is_a_mistake() {
    let filter = registered("odd/my.field.").unwrap().filter().clone();
    assert_eq!(filter.field.as_ref().unwrap().keys(), ["my.field", ""]);
    assert_eq!(filter.check(), Ok(()));
}

#[test]
fn one_function_may_have_several_attributes_each_with_its_own_options() {
    let params = ["several/spec.table", "other/metadata.labels.a.b/c", "several"].map(|id| {
        let handler = registered(id).unwrap_or_else(|| panic!("{id} is not registered"));
        let param = handler.param().and_then(|param| param.value.downcast_ref::<&str>().copied());
        (change(Some(handler.clone())).on, param)
    });
    let expected = [
        (OnChange::Update, None),
        (OnChange::Update, Some("x")),
        (OnChange::Resume { deleted: true, resync: None }, Some("y")),
    ];
    assert_eq!(params, expected);
    let field = change(registered("other/metadata.labels.a.b/c")).filter.field.unwrap();
    assert_eq!(field.keys(), ["metadata", "labels", "a.b/c"]);
    let filter = change(registered("several/spec.table")).filter;
    assert!(matches!((filter.old, filter.new), (Some(Match::Is(_)), Some(Match::Present))));
}

#[test]
fn words_without_values_are_options_too() {
    let triggers = ["dropped", "letting"].map(|id| change(registered(id)).on);
    let expected = [(true, false), (false, true)]
        .map(|(optional, release_on_failure)| OnChange::Delete { optional, release_on_failure });
    assert_eq!(triggers, expected);
}

#[tokio::test]
async fn a_field_handler_takes_the_field() {
    let handler = registered("resized/spec.size").unwrap();
    let mut call = change_call(Reason::Update, table(json!({"table": "a"})));
    call.change = Change {
        old: Some(Arc::new(json!({"spec": {"size": 1}}))),
        new: Arc::new(json!({"spec": {}})),
        field: handler.filter().field.clone(),
        ..call.change
    };
    assert_eq!(handler.called_for(), "field");
    assert_eq!(answer(handler, call).await.unwrap(), Reply::Result(json!([1, null, 1])));
}

#[tokio::test]
async fn an_event_handler_takes_the_type() {
    let handler = event(registered("seen"));
    assert_eq!(handler.timeout, Some(Duration::from_secs(1)));
    let call = event_call(WatchEventType::Listed, json!({}));
    assert_eq!((handler.invoke)(call).await.unwrap(), Reply::Result("Listed".into()));
}

#[test]
fn builders_say_the_same_as_attributes() {
    let handler =
        on_field::<ConfigMap>("f", "data.x").old(Match::Absent).new("y").retries(2).run(async || {});
    assert_eq!((handler.id(), handler.called_for()), ("f/data.x", "field"));
    let filter = handler.filter();
    assert_eq!(format!("{:?}", (&filter.old, &filter.new)), "(Some(absent), Some(\"y\"))");
    let handler = change(Some(on_delete::<ConfigMap>("d").optional().release_on_failure().run(async || {})));
    assert_eq!(handler.on, OnChange::Delete { optional: true, release_on_failure: true });
    let handler = on_resume::<ConfigMap>("r").annotation("a", Match::Present).deleted().run(async || {});
    let handler = change(Some(handler));
    assert_eq!(
        (handler.on, handler.filter.annotations.len()),
        (OnChange::Resume { deleted: true, resync: None }, 1)
    );
    let handler = event(Some(on_event::<ConfigMap>("e").field("").when(has_spec).run(async || {})));
    assert_eq!((handler.id.as_str(), handler.filter.field), ("e", None));
}

#[korf::on_create(Table, id = "selecting", labels = "app=web, !old, tier in (a, b)")]
async fn selecting() {}

#[test]
fn labels_may_be_a_selector() {
    let handler = registered("selecting").unwrap();
    for (labels, expected) in [
        (json!({"app": "web", "tier": "b"}), true),
        (json!({"app": "web", "tier": "b", "old": ""}), false),
        (json!({"app": "web", "tier": "c"}), false),
    ] {
        assert_eq!(selects(handler.filter(), labels.clone()), expected, "{labels}");
    }
}
