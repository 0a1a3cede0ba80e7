use crate::{
    Attempt, Body, Call, Creation, Deletion, Diff, Error, Failure, FromCall, Name, Namespace, Object, Old,
    OldObject, Patch, Reason, Spec, Started, State, Update,
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
            update(json!({"table": "a"}), old_secret).argument::<Update<Table>, Old<TableSpec>>().map(drop),
            "`spec.columns[0].name` of Table users, as it was handled last: invalid type: integer, expected a string",
        ),
    ] {
        let Err(Failure::Unreadable(error)) = failure else { panic!("{failure:?}") };
        assert_eq!(error.to_string(), said);
    }
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
    let expected = [json!({"status": {"rows": 1}}), json!({"metadata": {"labels": {"a": null}}})];
    assert_eq!(call.additions.take(), expected);
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
