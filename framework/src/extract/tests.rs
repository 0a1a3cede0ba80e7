use crate::{
    Attempt, Diff, FromCall, Labels, Memo, Name, New, Object, ObjectNamespace, ObjectPatch, Old, OldSpec,
    Reason, Spec, State, Status,
    call::tests::{change_call, event_call, table},
    extract::{
        Annotations, Body, CancellationToken, Elapsed, Meta, NewValue, OldObject, OldValue, Param, Rejection,
        Requirements, Started, StatusValue, Uid, WatchEventType,
    },
    families::{Change, ChangeCall},
    handler::Parameter,
    scope::{Creation, Deletion, FieldChange, Resuming, Scope, Update, WatchEvent},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{any::TypeId, collections::HashMap, sync::Arc, time::Duration};

#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced, status = "TableStatus")]
pub struct TableSpec {
    table: String,
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableStatus {
    rows: u32,
}

fn creation(spec: Value) -> ChangeCall {
    change_call(Reason::Create, table(spec))
}

fn update(spec: Value, old: Value) -> ChangeCall {
    with_old(change_call(Reason::Update, table(spec)), old)
}

fn with_old(call: ChangeCall, old: Value) -> ChangeCall {
    ChangeCall { change: Change { old: Some(Arc::new(old)), ..call.change.clone() }, ..call }
}

/// The argument of a handler in this scope.
fn argument<S: Scope, T: FromCall<S>>(call: &S::Call) -> Result<T, Rejection> {
    T::from_call(call)
}

#[tokio::test]
async fn the_object_and_its_spec_are_decoded() {
    let call = creation(json!({"table": "a"}));
    let object = argument::<Creation<Table>, Object<Table>>(&call).unwrap();
    let spec = argument::<Creation<Table>, Spec<TableSpec>>(&call).unwrap();
    assert_eq!((object.metadata.name.as_deref(), &object.spec), (Some("users"), &*spec));
}

#[tokio::test]
async fn a_view_is_decoded_once() {
    let call = creation(json!({"table": "a"}));
    let first = argument::<Creation<Table>, Object<Table>>(&call).unwrap();
    let second = argument::<Creation<Table>, Object<Table>>(&call).unwrap();
    assert!(Arc::ptr_eq(&first.0, &second.0));
}

#[tokio::test]
async fn what_was_handled_last_keeps_the_identity() {
    let call = update(
        json!({"table": "b"}),
        json!({"metadata": {"annotations": {"was": "here"}}, "spec": {"table": "a"}}),
    );
    let spec = argument::<Update<Table>, OldSpec<TableSpec>>(&call).unwrap();
    let object = argument::<Update<Table>, OldObject<Table>>(&call).unwrap();
    assert_eq!((spec.table.as_str(), &object.spec), ("a", &*spec));
    assert_eq!((object.metadata.uid.as_deref(), &object.metadata.labels), (Some("u1"), &None));
    assert_eq!(object.metadata.annotations.as_ref().unwrap()["was"], "here");
}

#[tokio::test]
async fn the_old_spec_and_the_spec_of_one_type_are_two_views() {
    let call = update(json!({"table": "b"}), json!({"spec": {"table": "a"}}));
    let old = argument::<Update<Table>, OldSpec<TableSpec>>(&call).unwrap();
    let new = argument::<Update<Table>, Spec<TableSpec>>(&call).unwrap();
    assert_eq!((old.table.as_str(), new.table.as_str()), ("a", "b"));
}

#[tokio::test]
async fn built_in_kinds_have_an_old_object() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "2"}});
    let call = with_old(change_call(Reason::Update, map), json!({"data": {"a": "1"}}));
    let old = argument::<Update<ConfigMap>, OldObject<ConfigMap>>(&call).unwrap();
    assert_eq!(old.data.as_ref().unwrap()["a"], "1");
}

#[tokio::test]
async fn unreadable_fields_are_named_without_their_values() {
    let secret = json!({"table": "a", "columns": [{"name": 31337}]});
    let old_secret = json!({"spec": secret});
    let new = |spec| creation(spec);
    let old =
        |spec| argument::<Update<Table>, OldSpec<TableSpec>>(&update(spec, old_secret.clone())).map(drop);
    let field = "`spec.columns[0].name` of Table users";
    let integer = "invalid type: integer, expected a string";
    for (rejected, expected) in [
        (
            argument::<Creation<Table>, Spec<TableSpec>>(&new(secret.clone())).map(drop),
            Rejection::object(format!("{field}: {integer}")),
        ),
        (
            argument::<Creation<Table>, Object<Table>>(&new(json!({}))).map(drop),
            Rejection::object("`spec` of Table users: missing field `table`"),
        ),
        (old(secret.clone()), Rejection::object(format!("{field}: {integer}"))),
        (old(json!({"table": "a"})), Rejection::past(format!("{field}, as it was handled last: {integer}"))),
    ] {
        assert_eq!(rejected, Err(expected));
    }
}

#[tokio::test]
async fn a_deletion_falls_back_to_what_was_handled_last() {
    let old = json!({"spec": {"table": "a"}});
    let mut broken = table(json!({"table": 5}));
    broken["status"] = json!({"rows": 3});
    let deletion = |body: &Value| {
        let mut call = change_call(Reason::Delete, body.clone());
        call.object.view.fallback = Some(Arc::new(old.clone()));
        call
    };
    let call = deletion(&broken);
    let object = argument::<Deletion<Table>, Object<Table>>(&call).unwrap();
    let spec = argument::<Deletion<Table>, Spec<TableSpec>>(&call).unwrap();
    assert_eq!((&object.spec, object.status.as_ref().unwrap().rows), (&*spec, 3));

    broken["status"] = json!("broken as well");
    assert_eq!(argument::<Deletion<Table>, Object<Table>>(&deletion(&broken)).unwrap().status, None);

    let never_handled = change_call(Reason::Delete, broken.clone());
    assert!(argument::<Deletion<Table>, Object<Table>>(&never_handled).is_err());
    let update = with_old(change_call(Reason::Update, broken), old);
    assert!(argument::<Update<Table>, Object<Table>>(&update).is_err(), "an update handles what is there");
}

#[tokio::test]
async fn the_call_itself_gives_the_rest() {
    type Scope = Creation<Table>;
    let mut call = creation(json!({"table": "a"}));
    call.attempt.number = 2;
    assert_eq!(argument::<Scope, Name>(&call).unwrap(), "users".into());
    assert_eq!(argument::<Scope, ObjectNamespace>(&call).unwrap(), "default".into());
    assert_eq!(argument::<Scope, Attempt>(&call).unwrap(), Attempt(2));
    assert_eq!(argument::<Scope, Started>(&call).unwrap(), Started(call.attempt.started));
    assert_eq!(argument::<Scope, Reason>(&call).unwrap(), Reason::Create);
    assert_eq!(argument::<Scope, Body>(&call).unwrap().uid(), "u1");
    assert_eq!(argument::<Scope, Diff>(&call).unwrap(), Diff::default());
    assert!(argument::<Scope, kube::Client>(&call).is_ok());
    call.object.context.stop.cancel();
    assert!(argument::<Scope, CancellationToken>(&call).unwrap().is_cancelled());
}

#[tokio::test]
async fn a_patch_reaches_the_call() {
    let call = creation(json!({"table": "a"}));
    let patch = argument::<Creation<Table>, ObjectPatch>(&call).unwrap();
    patch.status(json!({"rows": 1})).unwrap();
    patch.label("a", None);
    patch.modify(|object| object["spec"] = 5.into());
    let mut object = json!({"metadata": {"labels": {"a": "b"}}});
    call.object.edits.apply(&mut object);
    assert_eq!(object, json!({"status": {"rows": 1}, "metadata": {"labels": {}}, "spec": 5}));
}

#[tokio::test]
async fn a_state_is_cloned_and_a_missing_one_is_no_panic() {
    let mut call = creation(json!({"table": "a"}));
    let missing = argument::<Creation<Table>, State<u8>>(&call);
    assert!(matches!(missing, Err(Rejection::Object(_))), "{missing:?}");
    call.object.context.states = Arc::new(HashMap::from([(TypeId::of::<u8>(), Arc::new(5_u8) as _)]));
    assert_eq!(*argument::<Creation<Table>, State<u8>>(&call).unwrap(), 5);
}

#[tokio::test]
async fn an_optional_argument_is_none_where_it_is_rejected_and_is_required_nowhere() {
    let past = update(json!({"table": "a"}), json!({"spec": {}}));
    assert!(argument::<Update<Table>, Option<OldSpec<TableSpec>>>(&past).unwrap().is_none());
    assert!(argument::<Update<Table>, Option<Spec<TableSpec>>>(&past).unwrap().is_some());
    let broken = creation(json!({}));
    assert!(argument::<Creation<Table>, Option<Spec<TableSpec>>>(&broken).unwrap().is_none());
    let why = argument::<Creation<Table>, Result<Spec<TableSpec>, Rejection>>(&broken).unwrap().unwrap_err();
    assert_eq!(why, Rejection::object("`spec` of Table users: missing field `table`"));
    let mut requirements = Requirements::default();
    <Option<State<u8>> as FromCall<Creation<Table>>>::requirements(&mut requirements);
    assert!(requirements.states().is_empty());
}

#[tokio::test]
async fn an_argument_may_ask_for_another_attempt() {
    const DELAY: Duration = Duration::from_secs(3);
    #[derive(Debug)]
    struct Later;
    impl<S: Scope> FromCall<S> for Later {
        fn from_call(_call: &S::Call) -> Result<Self, Rejection> {
            Err(crate::Error::temporary("not yet", DELAY).into())
        }
    }
    let call = creation(json!({"table": "a"}));
    let expected = Rejection::temporary("not yet", DELAY);
    assert_eq!(argument::<Creation<Table>, Later>(&call).unwrap_err(), expected);
    assert_eq!(argument::<Creation<Table>, Option<Later>>(&call).unwrap_err(), expected);
    let known = argument::<Creation<Table>, Result<Later, Rejection>>(&call).unwrap();
    assert_eq!(known.unwrap_err(), expected);
}

#[tokio::test]
async fn the_metadata_is_text_or_typed() {
    let mut object = table(json!({"table": "a"}));
    object["metadata"]["annotations"] = json!({"note": "x", "broken": 5});
    let call = change_call(Reason::Create, object);
    assert_eq!(argument::<Creation<Table>, Labels>(&call).unwrap(), [("now", "yes")].into());
    assert_eq!(argument::<Creation<Table>, Annotations>(&call).unwrap(), [("note", "x")].into());
    assert_eq!(argument::<Creation<Table>, Uid>(&call).unwrap(), "u1".into());
    let Err(Rejection::Object(message)) = argument::<Creation<Table>, Meta>(&call) else {
        panic!("readable")
    };
    assert!(message.starts_with("`metadata.annotations.broken` of Table users"), "{message}");
}

#[tokio::test]
async fn the_metadata_and_the_status_are_arguments_of_event_handlers() {
    type Scope = WatchEvent<Table>;
    let mut object = table(json!({"table": "a"}));
    object["status"] = json!({"rows": 3});
    let with = event_call(WatchEventType::Added, object);
    assert_eq!(argument::<Scope, Meta>(&with).unwrap().name.as_deref(), Some("users"));
    assert_eq!(argument::<Scope, Status<TableStatus>>(&with).unwrap().rows, 3);
    assert_eq!(*argument::<Scope, StatusValue>(&with).unwrap(), json!({"rows": 3}));
    assert_eq!(argument::<Scope, WatchEventType>(&with).unwrap(), WatchEventType::Added);
    let without = event_call(WatchEventType::Listed, table(json!({"table": "a"})));
    assert!(argument::<Scope, Option<Status<TableStatus>>>(&without).unwrap().is_none());
    let why = argument::<Scope, Status<TableStatus>>(&without).unwrap_err();
    assert_eq!(why, Rejection::object("Table users has no status yet"));
    assert_eq!(*argument::<Scope, StatusValue>(&without).unwrap(), Value::Null);
}

#[tokio::test]
async fn old_and_new_values_are_those_of_the_field_where_there_is_one() {
    type Scope = FieldChange<Table>;
    let (old, new) = (json!({"spec": {"table": "a", "size": "big"}}), json!({"spec": {"table": "b"}}));
    let mut call = update(json!({"table": "b"}), old.clone());
    call.change.new = Arc::new(new.clone());
    assert_eq!(*argument::<Update<Table>, OldValue>(&call).unwrap(), old);
    assert_eq!(*argument::<Update<Table>, NewValue>(&call).unwrap(), new);
    call.change.field = Some("spec.size".into());
    assert_eq!(*argument::<Scope, OldValue>(&call).unwrap(), json!("big"));
    assert_eq!(*argument::<Scope, NewValue>(&call).unwrap(), Value::Null);
    assert_eq!(*argument::<Scope, Old<String>>(&call).unwrap(), "big");
    assert_eq!(*argument::<Scope, New<Option<String>>>(&call).unwrap(), None);
    let said = "`spec.size` of Table users, as it was handled last: invalid type: string, expected u32";
    assert_eq!(argument::<Scope, Old<u32>>(&call).unwrap_err(), Rejection::past(said));
    call.change.old = None;
    assert_eq!(*argument::<Creation<Table>, OldValue>(&call).unwrap(), Value::Null);
}

#[tokio::test]
async fn the_runtime_counts_from_the_first_attempt() {
    let mut call = change_call(Reason::Resume, table(json!({"table": "a"})));
    assert_eq!(argument::<Resuming<Table>, Elapsed>(&call).unwrap(), Elapsed::default());
    call.object.context.now += Duration::from_millis(1500);
    let runtime = argument::<Resuming<Table>, Elapsed>(&call).unwrap();
    assert_eq!(runtime.0, Duration::from_millis(1500));
}

#[tokio::test]
async fn a_memo_is_shared_by_all_handlers_of_an_object() {
    let call = creation(json!({"table": "a"}));
    let mut event = event_call(WatchEventType::Added, table(json!({"table": "a"})));
    event.object.memo = Arc::clone(&call.object.memo);
    let count = argument::<Creation<Table>, Memo<u32>>(&call).unwrap();
    count.with(|count| *count += 2);
    let again = argument::<WatchEvent<Table>, Memo<u32>>(&event).unwrap();
    assert_eq!((again.get(), again.replace(7), *count.lock()), (2, 2, 7));
    assert_eq!(argument::<Creation<Table>, Memo<String>>(&call).unwrap().get(), "");
}

#[tokio::test]
async fn a_parameter_is_of_the_type_that_was_given() {
    let mut call = creation(json!({"table": "a"}));
    call.object.context.param = Some(Parameter::new(5_u8));
    assert_eq!(*argument::<Creation<Table>, Param<u8>>(&call).unwrap(), 5);
    assert!(argument::<Creation<Table>, Param<i8>>(&call).is_err());
}
