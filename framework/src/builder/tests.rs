mod options;
mod subs;

use crate::{
    Attempt, Diff, FromCall, Name, Object, ObjectNamespace, ObjectPatch, Reason, Result, State, Status,
    call::tests::{change_call, event_call, table},
    core::handler::OnChange,
    extract::{Body, CancellationToken, Rejection, Started},
    families::{ChangeCall, ChangeHandler, EventHandler},
    handler::{Answer, Backoff, Failure, Family, Handler, OnError, Registry, Reply},
    on_create, on_update,
    scope::ObjectScope,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Client, CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{any::TypeId, collections::HashMap, sync::Arc, time::Duration};

#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced, status = "TableStatus")]
struct TableSpec {
    table: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct TableStatus {
    rows: u32,
}

const NEXT_LINE: u32 = line!() + 1;
#[korf::on_create(Table, id = "make", retries = 3, backoff = Duration::from_secs(10), errors = permanent)]
async fn create(table: Object<Table>, Attempt(attempt): Attempt) -> Result<Status<TableStatus>> {
    assert_eq!(table.spec.table, "a");
    Ok(Status(TableStatus { rows: attempt }))
}

#[korf::on_update(ConfigMap, timeout = Duration::from_secs(60), errors = OnError::Ignored)]
async fn r#update() {}

#[korf::on_delete(Table)]
#[cfg(any())]
async fn is_not_compiled(_: NoSuchType) {}

fn registered(id: &str) -> Option<Handler> {
    Registry::collect().handlers().iter().find(|handler| handler.id() == id).cloned()
}

/// A change handler, less what all families have.
fn change(handler: Option<Handler>) -> ChangeHandler {
    match handler.unwrap().family {
        Family::Change(handler) => handler,
        Family::Event(_) | Family::Index(_) | Family::Related(_) | Family::Timer(_) | Family::Daemon(_) => {
            panic!("another family")
        }
    }
}

fn event(handler: Option<Handler>) -> EventHandler {
    match handler.unwrap().family {
        Family::Event(handler) => handler,
        Family::Change(_) | Family::Index(_) | Family::Related(_) | Family::Timer(_) | Family::Daemon(_) => {
            panic!("another family")
        }
    }
}

fn answer(handler: Handler, call: ChangeCall) -> Answer {
    (change(Some(handler)).invoke.invoke)(call)
}

#[tokio::test]
async fn an_attribute_registers_its_function() {
    let handler = registered("make").unwrap();
    assert_eq!(handler.kind.resource.plural, "tables");
    assert_eq!(handler.kind.definition.unwrap()(), Table::crd());
    let handler = change(Some(handler));
    assert_eq!((handler.on, handler.limits.retries), (OnChange::Create, Some(3)));
    assert_eq!(handler.limits.errors, OnError::Permanent);
    assert_eq!(handler.limits.backoff, Backoff::Constant(Duration::from_secs(10)));
    let mut call = change_call(Reason::Create, table(json!({"table": "a"})));
    call.attempt.number = 2;
    assert_eq!((handler.invoke.invoke)(call).await.unwrap(), Reply::Status(json!({"rows": 2})));
}

#[tokio::test]
async fn a_built_in_kind_has_no_definition() {
    let handler = registered("update").unwrap();
    assert!(handler.kind.definition.is_none());
    let handler = change(Some(handler));
    assert_eq!((handler.on, handler.limits.errors), (OnChange::Update, OnError::Ignored));
    assert_eq!(handler.limits.timeout, Some(Duration::from_secs(60)));
    let reply = (handler.invoke.invoke)(change_call(Reason::Update, json!({}))).await;
    assert_eq!(reply.unwrap(), Reply::Nothing);
}

#[test]
fn a_function_that_is_not_compiled_is_not_registered() {
    assert!(registered("is_not_compiled").is_none());
}

#[test]
fn a_handler_knows_its_place() {
    async fn by_hand() {}
    let handler = on_create::<ConfigMap>("f").run(by_hand);
    assert_eq!((handler.location.file, handler.location.line), (file!(), line!() - 1));
    let location = registered("make").unwrap().location;
    assert_eq!(location.to_string(), format!("{}:{NEXT_LINE}", file!()));
}

#[tokio::test]
async fn a_function_may_take_everything() {
    #[expect(clippy::too_many_arguments, reason = "that is the test")]
    async fn all(
        object: Object<ConfigMap>,
        name: Name,
        _namespace: ObjectNamespace,
        _attempt: Attempt,
        _started: Started,
        _reason: Reason,
        _client: Client,
        _stopping: CancellationToken,
        patch: ObjectPatch,
        _diff: Diff,
        _body: Body,
        State(suffix): State<&'static str>,
    ) -> Result<Value> {
        patch.label("seen", Some("yes"));
        Ok(format!("{name}{suffix}{}", object.data.is_some()).into())
    }
    let handler = on_update::<ConfigMap>("all").run(all);
    assert_eq!(handler.requirements.states()[0].0, TypeId::of::<&str>());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {}});
    let mut call = change_call(Reason::Update, map);
    call.object.context.states = Arc::new(HashMap::from([(TypeId::of::<&str>(), Arc::new("!") as _)]));
    let edits = call.object.edits.clone();
    assert_eq!(answer(handler, call).await.unwrap(), Reply::Result("m!true".into()));
    let mut object = json!({});
    edits.apply(&mut object);
    assert_eq!(object, json!({"metadata": {"labels": {"seen": "yes"}}}));
}

#[tokio::test]
async fn closures_are_handlers_too() {
    let count = Arc::new(5);
    let handler = on_create::<ConfigMap>("f").run(move || {
        let count = count.clone();
        async move { Ok::<_, crate::Error>(Value::from(*count)) }
    });
    for _ in 0..2 {
        let reply = answer(handler.clone(), change_call(Reason::Create, json!({}))).await;
        assert_eq!(reply.unwrap(), Reply::Result(5.into()));
    }
}

#[tokio::test]
async fn a_rejected_argument_keeps_the_function_from_being_called() {
    async fn never(_table: Object<Table>) -> Result {
        panic!("called")
    }
    let handler = on_create::<Table>("f").run(never);
    let failure = answer(handler, change_call(Reason::Create, table(json!({"table": 1})))).await;
    assert!(matches!(failure, Err(Failure::Rejected(Rejection::Object(_)))), "{failure:?}");
}

#[tokio::test]
async fn an_argument_of_ones_own_may_be_for_one_kind() {
    struct Label(String);
    impl<S: ObjectScope<Kind = Table>> FromCall<S> for Label {
        fn from_call(call: &S::Call) -> Result<Self, Rejection> {
            let table = <Object<Table> as FromCall<S>>::from_call(call)?;
            Ok(Self(table.metadata.labels.as_ref().map(|labels| labels["now"].clone()).unwrap_or_default()))
        }
    }
    let handler =
        on_create::<Table>("f").run(async |label: Label| Ok::<_, crate::Error>(Value::from(label.0)));
    let reply = answer(handler, change_call(Reason::Create, table(json!({"table": "a"})))).await;
    assert_eq!(reply.unwrap(), Reply::Result("yes".into()));
}
