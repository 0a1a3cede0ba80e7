//! The examples do what they say.

use crate::stage::{Cluster, Operator, Stage, until};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const OBJECT: &str = include_str!("../../examples/kopf-example.yaml");
const NAME: &str = "kopf-example-1";

#[tokio::test]
async fn example_01_minimal_greets_each_object() {
    let stage = Stage::new("example-01-minimal").await;
    stage.install(&stage.example("01-minimal").definitions());
    let operator = stage.example("01-minimal").start();
    stage.apply(OBJECT);
    said(&stage, &operator, "01_minimal", "INFO", "And here we are! Creating: value").await;
    succeeded(&stage, &operator, "create").await;
    processed(&stage, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    until(&objects(&stage), NAME, "it is greeted", |object| {
        object.is_some_and(|object| object["status"]["message"] == "hello kopf-example-1")
    })
    .await;
    assert_eq!(operator.count("' is invoked."), 1);
}

#[tokio::test]
async fn example_02_children_makes_a_child_that_follows_its_parent() {
    let stage = plain_stage("02-children").await;
    let operator = stage.example("02-children").start();
    let children = stage.api("v1", "ConfigMap", "configmaps");
    stage.apply(OBJECT);
    let has = async |field: &str| {
        let wanted = |child: Option<&Value>| child.is_some_and(|child| child["data"]["field"] == field);
        until(&children, NAME, "the child is as its parent", wanted).await.unwrap()
    };
    let child = has("value").await;
    let parent = objects(&stage).get(NAME).await.unwrap();
    let owner = json!({
        "apiVersion": "kopf.dev/v1", "kind": "KopfExample", "name": NAME, "uid": parent.metadata.uid,
        "controller": true, "blockOwnerDeletion": true,
    });
    assert_eq!(child["metadata"]["ownerReferences"], json!([owner]));
    said(&stage, &operator, "02_children", "INFO", "ConfigMap kopf-example-1 has \"value\" now.").await;
    merge(&objects(&stage), NAME, json!({"spec": {"field": "other"}})).await;
    has("other").await;
    said(&stage, &operator, "02_children", "INFO", "ConfigMap kopf-example-1 has \"other\" now.").await;
    processed(&stage, &operator, "Updating is processed: 1 succeeded; 0 failed.").await;
    delete(&objects(&stage), NAME).await;
}

#[tokio::test]
async fn example_03_exceptions_tries_again_what_may_succeed() {
    let stage = plain_stage("03-exceptions").await;
    let operator = stage.example("03-exceptions").start();
    stage.apply(OBJECT);
    processed(&stage, &operator, "Creation is processed: 1 succeeded; 4 failed.").await;
    let number = "invalid digit found in string";
    for (words, count) in [
        ("'instant_failure' failed permanently: Fail once and for all.", 1),
        ("'eventual_success' failed temporarily: Expected recoverable error.", 2),
        (
            &format!("'eventual_failure' failed with an exception and will try again in 1 seconds: {number}"),
            1,
        ),
        (
            &format!(
                "'eventual_failure' failed with an exception and will stop now (it would exceed 2 retries on the next \
                 attempt): {number}"
            ),
            1,
        ),
        (&format!("'instant_failure_by_option' failed with an exception and will stop now: {number}"), 1),
        (&format!("'instant_failure_by_method' failed permanently: {number}"), 1),
    ] {
        let line = line(&stage, "korf.objects", "ERROR", &format!("Handler {words}"));
        assert_eq!(operator.count(&line), count, "{line}");
    }
    said(&stage, &operator, "03_exceptions", "INFO", "Succeeded after 2 failures.").await;
    succeeded(&stage, &operator, "eventual_success").await;
    delete(&objects(&stage), NAME).await;
}

#[tokio::test]
async fn example_04_events_posts_what_it_has_to_say_before_it_ends() {
    let stage = plain_stage("04-events").await;
    let mut operator = stage.example("04-events").start();
    stage.apply(OBJECT);
    processed(&stage, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    operator.terminate().await;
    let events = stage.api("events.k8s.io/v1", "Event", "events");
    let posted = events.list(&ListParams::default()).await.unwrap();
    let mut said: Vec<_> = posted.iter().map(|event| json!(event.data)).collect();
    said.sort_by_key(|event| event["eventTime"].to_string());
    let object = objects(&stage).get(NAME).await.unwrap();
    let told = |event: &Value| [&event["type"], &event["reason"], &event["note"]].map(Clone::clone);
    let expected = [
        ["Normal", "SomeReason", "Some message"],
        ["Warning", "NotANumber", "invalid digit found in string"],
    ];
    assert_eq!(said.iter().map(told).collect::<Vec<_>>(), expected.map(|words| words.map(Value::from)));
    for event in said {
        assert_eq!(event["regarding"]["uid"], json!(object.metadata.uid));
        assert_eq!((&event["reportingController"], &event["action"]), (&json!("events"), &json!("create")));
    }
    assert_eq!(operator.count("Kubernetes event"), 0);
}

#[tokio::test]
async fn example_05_handlers_tells_all_that_happens_to_an_object() {
    let stage = plain_stage("05-handlers").await;
    let mut operator = stage.example("05-handlers").start();
    let told = |operator: &Operator| {
        let start = line(&stage, "05_handlers", "INFO", "");
        let words = |line: String| Some(line.split_once(&start)?.1.to_owned());
        operator.lines().into_iter().filter_map(words).collect::<Vec<_>>()
    };
    stage.apply(OBJECT);
    processed(&stage, &operator, "Creation is processed: 4 succeeded; 0 failed.").await;
    merge(&objects(&stage), NAME, json!({"spec": {"field": "other"}})).await;
    processed(&stage, &operator, "Updating is processed: 2 succeeded; 0 failed.").await;
    operator.terminate().await;
    let created =
        ["RESUMED 2nd, at create", "CREATED 1st", "CREATED 2nd", "FIELD None became Some(\"value\")"];
    let diff = "(('change', ('spec', 'field'), 'value', 'other'),)";
    let updated = [
        &format!("UPDATED from \"value\" to \"other\", that is {diff}"),
        "FIELD Some(\"value\") became Some(\"other\")",
    ];
    assert_eq!(told(&operator), [&created[..], &updated].concat());

    let operator = stage.example("05-handlers").start();
    processed(&stage, &operator, "Resuming is processed: 2 succeeded; 0 failed.").await;
    delete(&objects(&stage), NAME).await;
    processed(&stage, &operator, "Deletion is processed: 2 succeeded; 0 failed.").await;
    assert_eq!(told(&operator), ["RESUMED 1st", "RESUMED 2nd, at resume", "DELETED 1st", "DELETED 2nd",]);
}

#[tokio::test]
async fn example_07_subhandlers_makes_each_item_once() {
    // Its kind has another schema.
    let cluster = Cluster::without_the_crd().await;
    let stage = Stage::on(&cluster, "example-07-subhandlers").await;
    stage.install(&stage.example("07-subhandlers").definitions());
    let operator = stage.example("07-subhandlers").start();
    stage.apply(
        r#"{"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "metadata": {"name": "kopf-example-1"},
            "spec": {"items": ["quick", "slow"]}}"#,
    );
    said(&stage, &operator, "korf.objects", "ERROR", "Handler 'create/slow' failed temporarily: not yet")
        .await;
    said(&stage, &operator, "07_subhandlers", "INFO", "All 2 items are made.").await;
    succeeded(&stage, &operator, "create/quick").await;
    succeeded(&stage, &operator, "create/slow").await;
    succeeded(&stage, &operator, "create").await;
    for item in ["quick", "slow"] {
        assert_eq!(operator.count(&line(&stage, "07_subhandlers", "INFO", &format!("Made {item}."))), 1);
    }
    delete(&objects(&stage), NAME).await;
}

#[tokio::test]
async fn example_08_events_tells_what_the_watch_says_and_leaves_no_trace() {
    let stage = Stage::new("example-08-events").await;
    stage.apply(&pod("old", ""));
    let operator = stage.example("08-events").start();
    let tells = async |name: &str, words: &str| {
        operator.wait_for_line(&line_of(&stage, name, "08_events", "INFO", words)).await;
    };
    tells("old", "Listed: Pod old with labels {}").await;
    stage.apply(&pod("new", ""));
    tells("new", "Added: Pod new with labels {}").await;
    let pods = stage.api("v1", "Pod", "pods");
    let changed = merge(&pods, "new", json!({"metadata": {"labels": {"colour": "blue"}}})).await;
    tells("new", "Modified: Pod new with labels {\"colour\": \"blue\"}").await;
    assert_eq!(version(&pods, "new").await, changed, "nobody else has written");
    delete(&pods, "new").await;
    tells("new", "Deleted: Pod new with labels {\"colour\": \"blue\"}").await;
    operator
        .wait_for_line(&line_of(
            &stage,
            "new",
            "korf.objects",
            "ERROR",
            "Handler 'fail' failed with an exception and will ignore it: Oops!",
        ))
        .await;
}

/// What its own tests say of it on the cluster in memory, but for the minute that passes.
#[tokio::test]
async fn example_09_testing_writes_to_each_object() {
    let stage = plain_stage("09-testing").await;
    let operator = stage.example("09-testing").start();
    stage.apply(&OBJECT.replace(NAME, "busy").replace("field: value", "field: busy"));
    let tried = "Handler 'write' failed temporarily: nobody is in";
    operator.wait_for_line(&line_of(&stage, "busy", "korf.objects", "ERROR", tried)).await;
    stage.apply(OBJECT);
    said(&stage, &operator, "09_testing", "INFO", "Wrote to kopf-example-1.").await;
    succeeded(&stage, &operator, "write").await;
    processed(&stage, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(operator.count("Wrote to busy."), 0);
}

#[tokio::test]
async fn example_10_builtins_ends_pods_whose_time_is_up() {
    let stage = Stage::new("example-10-builtins").await;
    let pods = stage.api("v1", "Pod", "pods");
    stage.apply(&pod("other", ""));
    let untouched = version(&pods, "other").await;
    stage.apply(&pod("patient", "kopf.dev/seconds: '3600'"));
    let mut operator = stage.example("10-builtins").start();
    let tells = async |operator: &Operator, name: &str, words: &str| {
        operator.wait_for_line(&line_of(&stage, name, "10_builtins", "INFO", words)).await;
    };
    stage.apply(&pod("brief", "kopf.dev/seconds: '1'"));
    tells(&operator, "brief", "The Pod is in sight, and has 1s to live.").await;
    tells(&operator, "brief", "The Pod's time is up.").await;
    until(&pods, "brief", "it is gone", |pod| pod.is_none()).await;
    let handled =
        "korf.objects         [INFO    ] [{}/patient] Creation is processed: 1 succeeded; 0 failed.";
    operator.wait_for_line(&handled.replace("{}", &stage.namespace)).await;
    operator.terminate().await;

    let operator = stage.example("10-builtins").start();
    tells(&operator, "patient", "The Pod is in sight, and has 3600s to live.").await;
    assert_eq!(version(&pods, "other").await, untouched);
    assert_eq!(operator.count("/other]"), 0);
}

#[tokio::test]
async fn example_11_filtering_handlers_calls_those_whose_filters_hold() {
    let stage = plain_stage("11-filtering-handlers").await;
    let operator = stage.example("11-filtering-handlers").start();
    stage.apply(&OBJECT.replace("spec:", "  labels: {somelabel: somevalue}\nspec:"));
    processed(&stage, &operator, "Creation is processed: 5 succeeded; 0 failed.").await;
    for id in [
        "label_matches",
        "label_is_present",
        "annotation_passes",
        "field_has_value/spec.field",
        "conditions_hold",
    ] {
        succeeded(&stage, &operator, id).await;
    }
    merge(&objects(&stage), NAME, json!({"spec": {"field": "other"}})).await;
    said(&stage, &operator, "11_filtering_handler", "INFO", "Field has lost its value.").await;
    processed(&stage, &operator, "Updating is processed: 1 succeeded; 0 failed.").await;
    delete(&objects(&stage), NAME).await;

    stage.apply(
        &OBJECT
            .replace(NAME, "other")
            .replace("spec:", "  annotations: {someannotation: othervalue}\nspec:")
            .replace("field: value", "field: other"),
    );
    let only =
        line_of(&stage, "other", "korf.objects", "INFO", "Creation is processed: 1 succeeded; 0 failed.");
    operator.wait_for_line(&only).await;
    assert_eq!(
        operator.count(&line_of(&stage, "other", "11_filtering_handler", "INFO", "Label is absent.")),
        1
    );
}

/// A stage on a cluster with the `KopfExample` that most examples define, which is the same in all of them.
async fn plain_stage(example: &str) -> Stage<'static> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let stage = Stage::on(Cluster::with_the_full_crd().await, &format!("example-{example}")).await;
    let definitions = stage.example(example).definitions();
    INSTALLED.get_or_init(async || stage.install(&definitions)).await;
    assert_eq!(definitions, stage.example("02-children").definitions());
    stage
}

fn objects(stage: &Stage<'_>) -> Api<DynamicObject> {
    stage.api("kopf.dev/v1", "KopfExample", "kopfexamples")
}

fn pod(name: &str, annotation: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations: {{{annotation}}}\n\
         spec:\n  containers: [{{name: pause, image: registry.k8s.io/pause}}]"
    )
}

/// Merges a patch, and returns the new version.
async fn merge(api: &Api<DynamicObject>, name: &str, patch: Value) -> Option<String> {
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    patched.metadata.resource_version
}

async fn version(api: &Api<DynamicObject>, name: &str) -> Option<String> {
    api.get(name).await.unwrap().metadata.resource_version
}

async fn delete(api: &Api<DynamicObject>, name: &str) {
    api.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
    until(api, name, "it is gone", |object| object.is_none()).await;
}

fn line(stage: &Stage<'_>, logger: &str, level: &str, words: &str) -> String {
    line_of(stage, NAME, logger, level, words)
}

/// A line of the log, without its time.
fn line_of(stage: &Stage<'_>, name: &str, logger: &str, level: &str, words: &str) -> String {
    format!("{logger:20} [{level:8}] [{}/{name}] {words}", stage.namespace)
}

async fn said(stage: &Stage<'_>, operator: &Operator, logger: &str, level: &str, words: &str) {
    operator.wait_for_line(&line(stage, logger, level, words)).await;
}

async fn succeeded(stage: &Stage<'_>, operator: &Operator, id: &str) {
    said(stage, operator, "korf.objects", "INFO", &format!("Handler '{id}' succeeded.")).await;
}

async fn processed(stage: &Stage<'_>, operator: &Operator, words: &str) {
    said(stage, operator, "korf.objects", "INFO", words).await;
}
