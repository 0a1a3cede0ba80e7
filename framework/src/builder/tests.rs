mod options;
mod subs;

use crate::{
    Attempt, Backoff, Body, Call, CancellationToken, Diff, Errors, Failure, FromCall, Handler, Name,
    Namespace, Object, Patch, Reason, Registry, Reply, Result, Started, State, Status,
    core::task::Trigger,
    on_create, on_update,
    sample::{call, table},
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

#[korf::on_update(ConfigMap, timeout = Duration::from_secs(60), errors = Errors::Ignored)]
async fn r#update() {}

#[korf::on_delete(Table)]
#[cfg(any())]
async fn is_not_compiled(_: NoSuchType) {}

fn registered(id: &str) -> Option<Handler> {
    Registry::collect().handlers().iter().find(|handler| handler.id == id).cloned()
}

#[tokio::test]
async fn an_attribute_registers_its_function() {
    let handler = registered("make").unwrap();
    assert_eq!((handler.trigger, handler.kind.resource.plural.as_str()), (Trigger::Create, "tables"));
    assert_eq!(handler.kind.definition.unwrap()(), Table::crd());
    assert_eq!((handler.limits.retries, handler.limits.errors), (Some(3), Errors::Permanent));
    assert_eq!(handler.limits.backoff, Backoff::Constant(Duration::from_secs(10)));
    let call = Call { attempt: 2, ..call(Reason::Create, table(json!({"table": "a"}))) };
    assert_eq!((handler.invoke)(call).await.unwrap(), Reply::Status(json!({"rows": 2})));
}

#[tokio::test]
async fn a_built_in_kind_has_no_definition() {
    let handler = registered("update").unwrap();
    assert!(handler.kind.definition.is_none());
    assert_eq!((handler.trigger, handler.limits.errors), (Trigger::Update, Errors::Ignored));
    assert_eq!(handler.limits.timeout, Some(Duration::from_secs(60)));
    let reply = (handler.invoke)(call(Reason::Update, json!({}))).await;
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
    assert_eq!((handler.site.0, handler.site.1), (file!(), line!() - 1));
    let (file, line, _) = registered("make").unwrap().site;
    assert_eq!((file, line), (file!(), NEXT_LINE));
}

#[tokio::test]
async fn a_function_may_take_everything() {
    #[expect(clippy::too_many_arguments, reason = "that is the test")]
    async fn all(
        object: Object<ConfigMap>,
        name: Name,
        _namespace: Namespace,
        _attempt: Attempt,
        _started: Started,
        _reason: Reason,
        _client: Client,
        _stopping: CancellationToken,
        patch: Patch,
        _diff: Diff,
        _body: Body,
        State(suffix): State<&'static str>,
    ) -> Result<Value> {
        patch.label("seen", Some("yes"));
        Ok(format!("{name}{suffix}{}", object.data.is_some()).into())
    }
    let handler = on_update::<ConfigMap>("all").run(all);
    assert_eq!(handler.needs.states()[0].0, TypeId::of::<&str>());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {}});
    let mut call = call(Reason::Update, map);
    call.states = Arc::new(HashMap::from([(TypeId::of::<&str>(), Box::new("!") as _)]));
    let additions = call.additions.clone();
    assert_eq!((handler.invoke)(call).await.unwrap(), Reply::Result("m!true".into()));
    let mut object = json!({});
    additions.apply(&mut object);
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
        let reply = (handler.invoke)(call(Reason::Create, json!({}))).await;
        assert_eq!(reply.unwrap(), Reply::Result(5.into()));
    }
}

#[tokio::test]
async fn an_unreadable_argument_keeps_the_function_from_being_called() {
    async fn never(_table: Object<Table>) -> Result {
        panic!("called")
    }
    let handler = on_create::<Table>("f").run(never);
    let failure = (handler.invoke)(call(Reason::Create, table(json!({"table": 1})))).await;
    assert!(matches!(failure, Err(Failure::Unreadable(_))), "{failure:?}");
}

#[tokio::test]
async fn an_argument_of_ones_own_may_be_for_one_kind() {
    struct Label(String);
    impl<S: crate::Scope<Kind = Table>> FromCall<S> for Label {
        fn from_call(call: &Call) -> Result<Self> {
            let table = <Object<Table> as FromCall<S>>::from_call(call)?;
            Ok(Self(table.metadata.labels.as_ref().map(|labels| labels["now"].clone()).unwrap_or_default()))
        }
    }
    let handler =
        on_create::<Table>("f").run(async |label: Label| Ok::<_, crate::Error>(Value::from(label.0)));
    let reply = (handler.invoke)(call(Reason::Create, table(json!({"table": "a"})))).await;
    assert_eq!(reply.unwrap(), Reply::Result("yes".into()));
}
