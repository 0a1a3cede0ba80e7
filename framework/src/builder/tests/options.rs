//! Attributes and builders with the other triggers and with filters.

use super::{Table, TableStatus, registered};
use crate::{
    Call, Errors, EventType, Facts, Match, New, Old, OldValue, Param, Reason, Result, Returns, Status, When,
    core::{diff::diff, filter::Filter, task::Trigger},
    on_delete, on_event, on_field, on_resume, on_update,
    sample::{call, table},
};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const TIER: &str = "tier";

fn has_spec(facts: &Facts<'_>) -> bool {
    facts.body.value()["spec"].is_object()
}

#[korf::on_create(
    Table,
    id = "filtered",
    labels = {"app": "web", TIER: present, "old": absent, "size": |size| size != "small"},
    annotations = {"example.com/note": format!("{}", 1)},
    when = When::all([has_spec.into(), When::new(|facts| facts.reason.is_some())]),
)]
async fn filtered() {}

#[korf::on_update(Table, field = "spec.table", old = "a", new = present)]
#[korf::on_update(Table, id = "other", field = ["metadata", "labels", "a.b/c"], value = |v| v == 1, param = "x")]
#[korf::on_resume(Table, deleted, param = "y")]
async fn several(_param: Param<&'static str>) -> Result<Value> {
    Ok(Value::Null)
}

#[korf::on_delete(Table, optional)]
#[korf::on_delete(Table, id = "letting", let_go)]
async fn dropped() -> Result<Status<TableStatus>> {
    Ok(Status(TableStatus { rows: 0 }))
}

#[korf::on_field(Table, field = "spec.size", when = |facts| facts.diff.len() == 1)]
async fn resized(Old(old): Old<Option<u32>>, New(new): New<Option<u32>>, json: OldValue) -> Result<Value> {
    Ok(json!([*old, *new, *json]))
}

#[korf::on_event(Table, timeout = Duration::from_secs(1))]
async fn seen(event: EventType) -> Result<Value> {
    Ok(format!("{event:?}").into())
}

/// Whether a filter is for a new object of such labels.
fn selects(filter: &Filter, labels: Value) -> bool {
    let mut object = table(json!({"table": "a"}));
    object["metadata"]["labels"] = labels;
    object["metadata"]["annotations"] = json!({"example.com/note": "1"});
    let (body, old, new) = (object.into(), Value::Null, json!({}));
    let difference = diff(&old, &new);
    let reason = Some(Reason::Create);
    filter.selects(&Facts { body: &body, reason, old: &old, new: &new, diff: &difference }, false)
}

#[test]
fn filters_stand_in_attributes() {
    let filter = registered("filtered").unwrap().filter;
    for (labels, expected) in [
        (json!({"app": "web", "tier": "x"}), true),
        (json!({"app": "web", "tier": "x", "size": "big"}), true),
        (json!({"app": "web", "tier": "x", "size": "small"}), false),
        (json!({"app": "web", "tier": "x", "old": "x"}), false),
        (json!({"app": "web"}), false),
        (json!({"app": "db", "tier": "x"}), false),
    ] {
        assert_eq!(selects(&filter, labels.clone()), expected, "{labels}");
    }
    assert!(filter.when.is_some());
}

#[test]
fn one_function_may_have_several_attributes_each_with_its_own_options() {
    let params = ["several/spec.table", "other/metadata.labels.a.b/c", "several"].map(|id| {
        let handler = registered(id).unwrap_or_else(|| panic!("{id} is not registered"));
        let param = handler.param.and_then(|param| param.value.downcast_ref::<&str>().copied());
        (handler.trigger, param)
    });
    let expected = [
        (Trigger::Update, None),
        (Trigger::Update, Some("x")),
        (Trigger::Resume { deleted: true }, Some("y")),
    ];
    assert_eq!(params, expected);
    let field = registered("other/metadata.labels.a.b/c").unwrap().filter.field.unwrap();
    assert_eq!(field.keys(), ["metadata", "labels", "a.b/c"]);
    let filter = registered("several/spec.table").unwrap().filter;
    assert!(matches!((filter.old, filter.new), (Some(Match::Is(_)), Some(Match::Present))));
}

#[test]
fn words_without_values_are_options_too() {
    let triggers = ["dropped", "letting"].map(|id| registered(id).unwrap().trigger);
    let expected =
        [(true, false), (false, true)].map(|(optional, lets_go)| Trigger::Delete { optional, lets_go });
    assert_eq!(triggers, expected);
}

#[test]
fn what_a_handler_returns_is_known_by_its_type() {
    for (id, returns) in [
        ("filtered", Returns::Nothing),
        ("other/metadata.labels.a.b/c", Returns::Value),
        ("dropped", Returns::Status),
        ("seen", Returns::Value),
    ] {
        assert_eq!(registered(id).unwrap().returns, returns, "{id}");
    }
    async fn by_hand() -> Result<Value> {
        Ok(Value::Null)
    }
    assert_eq!(on_update::<ConfigMap>("f").run(by_hand).returns, Returns::Value);
}

#[tokio::test]
async fn a_handler_of_a_field_takes_the_field() {
    let handler = registered("resized/spec.size").unwrap();
    assert_eq!(handler.trigger, Trigger::Field);
    let call = Call {
        old: Some(Arc::new(json!({"spec": {"size": 1}}))),
        new: Arc::new(json!({"spec": {}})),
        field: handler.filter.field.clone(),
        ..call(Reason::Update, table(json!({"table": "a"})))
    };
    let reply = (handler.invoke)(call).await.unwrap();
    assert_eq!(reply, crate::Reply::Result(json!([1, null, 1])));
}

#[tokio::test]
async fn a_handler_of_raw_events_takes_the_type() {
    let handler = registered("seen").unwrap();
    assert_eq!((handler.trigger, handler.limits.errors), (Trigger::Event, Errors::Ignored));
    let call = Call { event: Some(EventType::Listed), reason: None, ..call(Reason::Create, json!({})) };
    assert_eq!((handler.invoke)(call).await.unwrap(), crate::Reply::Result("Listed".into()));
}

#[test]
fn builders_say_the_same_as_attributes() {
    let handler =
        on_field::<ConfigMap>("f", "data.x").old(Match::Absent).new("y").retries(2).run(async || {});
    assert_eq!((handler.id.as_str(), handler.trigger), ("f/data.x", Trigger::Field));
    assert_eq!(format!("{:?}", (handler.filter.old, handler.filter.new)), "(Some(absent), Some(\"y\"))");
    let handler = on_delete::<ConfigMap>("d").optional().let_go().run(async || {});
    assert_eq!(handler.trigger, Trigger::Delete { optional: true, lets_go: true });
    let handler = on_resume::<ConfigMap>("r").annotation("a", Match::Present).deleted().run(async || {});
    assert_eq!((handler.trigger, handler.filter.annotations.len()), (Trigger::Resume { deleted: true }, 1));
    let handler = on_event::<ConfigMap>("e").field("").when(has_spec).run(async || {});
    assert_eq!((handler.id.as_str(), handler.filter.field), ("e", None));
}
