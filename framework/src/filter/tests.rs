use super::*;
use crate::{
    Diff, Labels, Name, Object, Reason,
    extract::{NewValue, OldValue},
    handler::Handler,
    on_create, on_delete, on_event, on_field,
};
use k8s_openapi::api::core::v1::ConfigMap;
use korf_core::diff::diff;
use serde_json::{Value, json};

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
}

/// The result of a change handler's filter for an object that has changed.
fn asked(filter: &Filter, reason: Reason, old: Option<Value>, new: Value) -> Result<bool, String> {
    let diff = diff(old.as_ref().unwrap_or(&Value::Null), &new);
    let (body, old, new) = (Body::from(new.clone()), old.map(Arc::new), Arc::new(new));
    let change = ChangeInput { reason, old: old.as_ref(), new: &new, diff: &diff };
    filter.concerns(&FilterInput { body: &body, change: Some(change) })
}

fn has_data(map: Object<ConfigMap>) -> bool {
    map.data.is_some()
}

fn never() -> bool {
    false
}

#[test]
fn a_condition_takes_what_the_object_and_its_change_give() {
    let condition = |name: Name, old: OldValue, new: NewValue, diff: Diff, reason: Reason| {
        *name == *"m" && *old != *new && diff.len() == 1 && reason == Reason::Update
    };
    let handler = on_create::<ConfigMap>("f").when(condition).run(async || {});
    let (old, new) = (map(json!({"a": "1"})), map(json!({"a": "2"})));
    assert_eq!(asked(handler.filter(), Reason::Update, Some(old), new.clone()), Ok(true));
    assert_eq!(asked(handler.filter(), Reason::Create, None, new), Ok(false));
}

#[test]
fn conditions_combine() {
    let holds = |handler: Handler| asked(handler.filter(), Reason::Create, None, map(json!({})));
    let on = || on_create::<ConfigMap>("f");
    for (number, (handler, expected)) in [
        (on().when(has_data).run(async || {}), true),
        (on().when(not(has_data)).run(async || {}), false),
        (on().when(all((has_data, never))).run(async || {}), false),
        (on().when(all((has_data, not(never), |_: Labels| true))).run(async || {}), true),
        (on().when(any((never, has_data))).run(async || {}), true),
        (on().when(none((never, not(has_data)))).run(async || {}), true),
        (on().when(none((never, has_data))).run(async || {}), false),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(holds(handler), Ok(expected), "case {number}");
    }
}

#[test]
fn an_object_that_does_not_fit_leaves_the_condition_open() {
    let handler = on_create::<ConfigMap>("f").when(has_data).run(async || {});
    let why = asked(handler.filter(), Reason::Create, None, map(json!(5))).unwrap_err();
    assert!(why.starts_with("`data` of ConfigMap m: invalid type"), "{why}");
    let handler = on_create::<ConfigMap>("f").when(|map: Option<Object<ConfigMap>>| map.is_none());
    let handler = handler.run(async || {});
    assert_eq!(asked(handler.filter(), Reason::Create, None, map(json!(5))), Ok(true));
}

#[test]
fn a_deletion_is_asked_for_the_state_that_was_handled_last_where_the_present_one_does_not_fit() {
    let handler = on_delete::<ConfigMap>("f").when(has_data).run(async || {});
    let (old, new) = (map(json!({})), map(json!(5)));
    assert_eq!(asked(handler.filter(), Reason::Delete, Some(old), new), Ok(true));
}

#[test]
fn an_event_handler_is_asked_for_the_object_alone() {
    let handler = on_event::<ConfigMap>("f").when(has_data).run(async || {});
    let body = map(json!({})).into();
    assert_eq!(handler.filter().concerns(&FilterInput { body: &body, change: None }), Ok(true));
}

#[test]
fn a_field_handler_is_asked_for_its_field() {
    let condition = |new: NewValue, diff: Diff| *new == "1" && diff.iter().all(|item| item.field.is_root());
    let handler = on_field::<ConfigMap>("f", "data.a").when(condition).run(async || {});
    let new = map(json!({"a": "1", "b": "2"}));
    assert_eq!(asked(handler.filter(), Reason::Create, None, new), Ok(true));
}
