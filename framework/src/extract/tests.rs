use crate::{
    Annotations, Attempt, Body, Call, Creation, Deletion, Diff, Error, EventType, Failure, FieldChange,
    FromCall, Labels, Memo, Meta, Name, Namespace, New, NewValue, Object, ObjectStatus, Old, OldObject,
    OldValue, Param, Parameter, Patch, RawEvent, Reason, Resuming, Runtime, Spec, Started, State,
    StatusValue, Uid, Update,
    sample::{call, table},
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

fn update(spec: Value, old: Value) -> Call {
    Call { old: Some(Arc::new(old)), ..call(Reason::Update, table(spec)) }
}

#[tokio::test]
async fn the_object_and_its_spec_are_decoded() {
    let call = call(Reason::Create, table(json!({"table": "a"})));
    let object = call.argument::<Creation<Table>, Object<Table>>().unwrap();
    let spec = call.argument::<Creation<Table>, Spec<TableSpec>>().unwrap();
    assert_eq!((object.metadata.name.as_deref(), &object.spec), (Some("users"), &*spec));
}

#[tokio::test]
async fn a_view_is_decoded_once() {
    let call = call(Reason::Create, table(json!({"table": "a"})));
    let first = call.argument::<Creation<Table>, Object<Table>>().unwrap();
    let second = call.clone().argument::<Creation<Table>, Object<Table>>().unwrap();
    assert!(Arc::ptr_eq(&first.0, &second.0));
}

#[tokio::test]
async fn what_was_handled_last_keeps_the_identity() {
    let call = update(
        json!({"table": "b"}),
        json!({"metadata": {"annotations": {"was": "here"}}, "spec": {"table": "a"}}),
    );
    let spec = call.argument::<Update<Table>, Old<TableSpec>>().unwrap();
    let object = call.argument::<Update<Table>, OldObject<Table>>().unwrap();
    assert_eq!((spec.table.as_str(), &object.spec), ("a", &*spec));
    assert_eq!((object.metadata.uid.as_deref(), &object.metadata.labels), (Some("u1"), &None));
    assert_eq!(object.metadata.annotations.as_ref().unwrap()["was"], "here");
}

#[tokio::test]
async fn the_old_spec_and_the_spec_of_one_type_are_two_views() {
    let call = update(json!({"table": "b"}), json!({"spec": {"table": "a"}}));
    let old = call.argument::<Update<Table>, Old<TableSpec>>().unwrap();
    let new = call.argument::<Update<Table>, Spec<TableSpec>>().unwrap();
    assert_eq!((old.table.as_str(), new.table.as_str()), ("a", "b"));
}

#[tokio::test]
async fn built_in_kinds_have_an_old_object() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "2"}});
    let call = Call { old: Some(Arc::new(json!({"data": {"a": "1"}}))), ..call(Reason::Update, map) };
    let old = call.argument::<Update<ConfigMap>, OldObject<ConfigMap>>().unwrap();
    assert_eq!(old.data.as_ref().unwrap()["a"], "1");
}

#[tokio::test]
async fn unreadable_fields_are_named_without_their_values() {
    let secret = json!({"table": "a", "columns": [{"name": 31337}]});
    let old_secret = json!({"spec": secret});
    for (failure, said) in [
        (
            call(Reason::Create, table(secret.clone()))
                .argument::<Creation<Table>, Spec<TableSpec>>()
                .map(drop),
            "`spec.columns[0].name` of Table users: invalid type: integer, expected a string",
        ),
        (
            call(Reason::Create, table(json!({}))).argument::<Creation<Table>, Object<Table>>().map(drop),
            "`spec` of Table users: missing field `table`",
        ),
        (
            update(secret, old_secret.clone()).argument::<Update<Table>, Old<TableSpec>>().map(drop),
            "`spec.columns[0].name` of Table users: invalid type: integer, expected a string",
        ),
    ] {
        let Err(Failure::Unreadable(error)) = failure else { panic!("{failure:?}") };
        assert_eq!(error.to_string(), said);
    }
    let past = update(json!({"table": "a"}), old_secret).argument::<Update<Table>, Old<TableSpec>>();
    let Err(Failure::Failed(error)) = past else { panic!("{past:?}") };
    let said = "`spec.columns[0].name` of Table users, as it was handled last: invalid type: integer, expected a string";
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn a_deletion_falls_back_to_what_was_handled_last() {
    let old = Some(Arc::new(json!({"spec": {"table": "a"}})));
    let mut broken = table(json!({"table": 5}));
    broken["status"] = json!({"rows": 3});
    let deletion = Call { old: old.clone(), ..call(Reason::Delete, broken.clone()) };
    let object = deletion.argument::<Deletion<Table>, Object<Table>>().unwrap();
    let spec = deletion.argument::<Deletion<Table>, Spec<TableSpec>>().unwrap();
    assert_eq!((&object.spec, object.status.as_ref().unwrap().rows), (&*spec, 3));

    broken["status"] = json!("broken as well");
    let deletion = Call { old: old.clone(), ..call(Reason::Delete, broken.clone()) };
    assert_eq!(deletion.argument::<Deletion<Table>, Object<Table>>().unwrap().status, None);

    let never_handled = call(Reason::Delete, broken.clone());
    assert!(never_handled.argument::<Deletion<Table>, Object<Table>>().is_err());
    let update = Call { old, ..call(Reason::Update, broken) };
    assert!(update.argument::<Update<Table>, Object<Table>>().is_err(), "an update handles what is there");
}

#[tokio::test]
async fn the_call_itself_gives_the_rest() {
    type Scope = Creation<Table>;
    let mut call = call(Reason::Create, table(json!({"table": "a"})));
    call.attempt = 2;
    assert_eq!(call.argument::<Scope, Name>().unwrap(), "users".into());
    assert_eq!(call.argument::<Scope, Namespace>().unwrap(), "default".into());
    assert_eq!(call.argument::<Scope, Attempt>().unwrap(), Attempt(2));
    assert_eq!(call.argument::<Scope, Started>().unwrap(), Started(call.started));
    assert_eq!(call.argument::<Scope, Reason>().unwrap(), Reason::Create);
    assert_eq!(call.argument::<Scope, Body>().unwrap().uid(), "u1");
    assert_eq!(call.argument::<Scope, Diff>().unwrap(), Diff::default());
    assert!(call.argument::<Scope, kube::Client>().is_ok());
    call.stopping.cancel();
    assert!(call.argument::<Scope, crate::CancellationToken>().unwrap().is_cancelled());
}

#[tokio::test]
async fn a_patch_reaches_the_call() {
    let call = call(Reason::Create, table(json!({"table": "a"})));
    let patch = call.argument::<Creation<Table>, Patch>().unwrap();
    patch.status(json!({"rows": 1}));
    patch.label("a", None);
    patch.modify(|object| object["spec"] = 5.into());
    let mut object = json!({"metadata": {"labels": {"a": "b"}}});
    call.additions.apply(&mut object);
    assert_eq!(object, json!({"status": {"rows": 1}, "metadata": {"labels": {}}, "spec": 5}));
}

#[tokio::test]
async fn a_state_is_cloned_and_a_missing_one_is_no_panic() {
    let mut call = call(Reason::Create, table(json!({"table": "a"})));
    let missing = call.argument::<Creation<Table>, State<u8>>();
    assert!(matches!(missing, Err(Failure::Unreadable(Error::Permanent(_)))), "{missing:?}");
    call.states = Arc::new(HashMap::from([(TypeId::of::<u8>(), Box::new(5_u8) as _)]));
    assert_eq!(*call.argument::<Creation<Table>, State<u8>>().unwrap(), 5);
}

#[tokio::test]
async fn an_argument_may_ask_for_another_attempt() {
    #[derive(Debug)]
    struct Later;
    impl<S: crate::Scope> FromCall<S> for Later {
        fn from_call(_call: &Call) -> Result<Self, Error> {
            Err(Error::temporary("not yet", Duration::from_secs(3)))
        }
    }
    let call = call(Reason::Create, table(json!({"table": "a"})));
    let later = call.argument::<Creation<Table>, Later>();
    assert!(matches!(later, Err(Failure::Failed(Error::Temporary { .. }))), "{later:?}");
}

#[tokio::test]
async fn a_call_shows_nothing_of_its_object() {
    let call = call(Reason::Create, table(json!({"table": "hunter2"})));
    let shown = format!("{call:?}");
    assert!(shown.contains("users") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn the_metadata_is_text_or_typed() {
    let mut object = table(json!({"table": "a"}));
    object["metadata"]["annotations"] = json!({"note": "x", "broken": 5});
    let call = call(Reason::Create, object);
    assert_eq!(call.argument::<Creation<Table>, Labels>().unwrap(), [("now", "yes")].into());
    assert_eq!(call.argument::<Creation<Table>, Annotations>().unwrap(), [("note", "x")].into());
    assert_eq!(call.argument::<Creation<Table>, Uid>().unwrap(), "u1".into());
    let Err(Failure::Unreadable(error)) = call.argument::<Creation<Table>, Meta>() else {
        panic!("readable")
    };
    assert!(error.to_string().starts_with("`metadata.annotations.broken` of Table users"), "{error}");
}

#[tokio::test]
async fn the_metadata_and_the_status_of_a_raw_event_are_readable() {
    type Scope = RawEvent<Table>;
    let mut object = table(json!({"table": "a"}));
    object["status"] = json!({"rows": 3});
    let with = Call { reason: None, event: Some(EventType::Added), ..call(Reason::Create, object) };
    assert_eq!(with.argument::<Scope, Meta>().unwrap().name.as_deref(), Some("users"));
    let status = with.argument::<Scope, ObjectStatus<TableStatus>>().unwrap();
    assert_eq!(status.as_ref().map(|status| status.rows), Some(3));
    assert_eq!(*with.argument::<Scope, StatusValue>().unwrap(), json!({"rows": 3}));
    assert_eq!(with.argument::<Scope, EventType>().unwrap(), EventType::Added);
    let without = call(Reason::Create, table(json!({"table": "a"})));
    assert_eq!(*without.argument::<Scope, ObjectStatus<TableStatus>>().unwrap(), None);
    assert_eq!(*without.argument::<Scope, StatusValue>().unwrap(), Value::Null);
}

#[tokio::test]
async fn old_and_new_values_are_those_of_the_field_where_there_is_one() {
    type Scope = FieldChange<Table>;
    let whole = Call {
        new: Arc::new(json!({"spec": {"table": "b"}})),
        ..update(json!({"table": "b"}), json!({"spec": {"table": "a", "size": "big"}}))
    };
    assert_eq!(*whole.argument::<Update<Table>, OldValue>().unwrap(), **whole.old.as_ref().unwrap());
    assert_eq!(*whole.argument::<Update<Table>, NewValue>().unwrap(), *whole.new);
    let of_field = Call { field: Some("spec.size".into()), ..whole.clone() };
    assert_eq!(*of_field.argument::<Scope, OldValue>().unwrap(), json!("big"));
    assert_eq!(*of_field.argument::<Scope, NewValue>().unwrap(), Value::Null);
    assert_eq!(*of_field.argument::<Scope, Old<String>>().unwrap(), "big");
    assert_eq!(*of_field.argument::<Scope, New<Option<String>>>().unwrap(), None);
    let Err(Failure::Failed(error)) = of_field.argument::<Scope, Old<u32>>() else { panic!("readable") };
    let said = "`spec.size` of Table users, as it was handled last: invalid type: string, expected u32";
    assert_eq!(error.to_string(), said);
    let new = Call { old: None, ..whole };
    assert_eq!(*new.argument::<Creation<Table>, OldValue>().unwrap(), Value::Null);
}

#[tokio::test]
async fn the_runtime_counts_from_the_first_attempt() {
    let first = call(Reason::Resume, table(json!({"table": "a"})));
    assert_eq!(first.argument::<Resuming<Table>, Runtime>().unwrap(), Runtime::default());
    let later = Call { now: first.started + Duration::from_millis(1500), ..first };
    let runtime = later.argument::<Resuming<Table>, Runtime>().unwrap();
    assert_eq!(runtime.0, Duration::from_millis(1500));
}

#[tokio::test]
async fn a_memo_is_shared_by_all_handlers_of_an_object() {
    let call = call(Reason::Create, table(json!({"table": "a"})));
    let count = call.argument::<Creation<Table>, Memo<u32>>().unwrap();
    count.with(|count| *count += 2);
    let again = call.clone().argument::<RawEvent<Table>, Memo<u32>>().unwrap();
    assert_eq!((again.get(), again.replace(7), *count.lock()), (2, 2, 7));
    assert_eq!(call.argument::<Creation<Table>, Memo<String>>().unwrap().get(), "");
}

#[tokio::test]
async fn a_parameter_is_of_the_type_that_was_given() {
    let given = Some(Parameter::new(5_u8));
    let call = Call { param: given, ..call(Reason::Create, table(json!({"table": "a"}))) };
    assert_eq!(*call.argument::<Creation<Table>, Param<u8>>().unwrap(), 5);
    assert!(call.argument::<Creation<Table>, Param<i8>>().is_err());
}
