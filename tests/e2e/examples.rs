//! The examples, run as their documentation describes.

use crate::{
    fixture::{Cluster, Fixture, OperatorProcess, eventually, until},
    health::Health,
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

const OBJECT: &str = include_str!("../../examples/kopf-example.yaml");
const NAME: &str = "kopf-example-1";

#[tokio::test]
async fn example_01_minimal_greets_each_object() {
    let fixture = Fixture::new("example-01-minimal").await;
    let _definition = install_its_own(&fixture, "01-minimal").await;
    let operator = fixture.example("01-minimal").start();
    fixture.apply(OBJECT);
    logged(&fixture, &operator, "01_minimal", "INFO", "And here we are! Creating: value").await;
    succeeded(&fixture, &operator, "create").await;
    processed(&fixture, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    until(&objects(&fixture), NAME, "it is greeted", |object| {
        object.is_some_and(|object| object["status"]["message"] == "hello kopf-example-1")
    })
    .await;
    assert_eq!(operator.count_lines("' is invoked."), 1);
}

#[tokio::test]
async fn example_02_children_keeps_a_child_in_step_with_its_parent() {
    let fixture = fixture_with_crd("02-children").await;
    let operator = fixture.example("02-children").start();
    let children = fixture.api("v1", "ConfigMap", "configmaps");
    fixture.apply(OBJECT);
    let child_with = async |field: &str| {
        let has_field = |child: Option<&Value>| child.is_some_and(|child| child["data"]["field"] == field);
        until(&children, NAME, "the child matches its parent", has_field).await.unwrap()
    };
    let child = child_with("value").await;
    let parent = objects(&fixture).get(NAME).await.unwrap();
    let owner = json!({
        "apiVersion": "kopf.dev/v1", "kind": "KopfExample", "name": NAME, "uid": parent.metadata.uid,
        "controller": true, "blockOwnerDeletion": true,
    });
    assert_eq!(child["metadata"]["ownerReferences"], json!([owner]));
    logged(&fixture, &operator, "02_children", "INFO", "ConfigMap kopf-example-1 has \"value\" now.").await;
    merge(&objects(&fixture), NAME, json!({"spec": {"field": "other"}})).await;
    child_with("other").await;
    logged(&fixture, &operator, "02_children", "INFO", "ConfigMap kopf-example-1 has \"other\" now.").await;
    processed(&fixture, &operator, "Updating is processed: 1 succeeded; 0 failed.").await;
    delete(&objects(&fixture), NAME).await;
}

#[tokio::test]
async fn example_03_exceptions_retries_what_may_succeed() {
    let fixture = fixture_with_crd("03-exceptions").await;
    let operator = fixture.example("03-exceptions").start();
    fixture.apply(OBJECT);
    processed(&fixture, &operator, "Creation is processed: 1 succeeded; 4 failed.").await;
    let number = "invalid digit found in string";
    for (text, count) in [
        ("'instant_failure' failed permanently: Fail once and for all.", 1),
        (
            "'eventual_success' failed temporarily and will try again in 1 seconds: Expected recoverable error.",
            2,
        ),
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
        let line = line(&fixture, "korf.objects", "ERROR", &format!("Handler {text}"));
        operator.assert_lines(&line, count).await;
    }
    logged(&fixture, &operator, "03_exceptions", "INFO", "Succeeded after 2 failures.").await;
    succeeded(&fixture, &operator, "eventual_success").await;
    delete(&objects(&fixture), NAME).await;
}

#[tokio::test]
async fn example_04_events_posts_all_events_before_it_exits() {
    let fixture = fixture_with_crd("04-events").await;
    let mut operator = fixture.example("04-events").start();
    fixture.apply(OBJECT);
    processed(&fixture, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    operator.terminate().await;
    let events = fixture.api("events.k8s.io/v1", "Event", "events");
    let posted = events.list(&ListParams::default()).await.unwrap();
    let mut posted: Vec<_> = posted.iter().map(|event| json!(event.data)).collect();
    posted.sort_by_key(|event| event["eventTime"].to_string());
    let object = objects(&fixture).get(NAME).await.unwrap();
    let content = |event: &Value| [&event["type"], &event["reason"], &event["note"]].map(Clone::clone);
    let expected = [
        ["Normal", "SomeReason", "Some message"],
        ["Warning", "NotANumber", "invalid digit found in string"],
    ];
    assert_eq!(posted.iter().map(content).collect::<Vec<_>>(), expected.map(|event| event.map(Value::from)));
    for event in posted {
        assert_eq!(event["regarding"]["uid"], json!(object.metadata.uid));
        assert_eq!((&event["reportingController"], &event["action"]), (&json!("events"), &json!("create")));
    }
    assert_eq!(operator.count_lines("Kubernetes event"), 0);
}

#[tokio::test]
async fn example_05_handlers_reports_everything_that_happens_to_an_object() {
    let fixture = fixture_with_crd("05-handlers").await;
    let mut operator = fixture.example("05-handlers").start();
    let messages = |operator: &OperatorProcess| {
        let prefix = line(&fixture, "05_handlers", "INFO", "");
        let message = |line: String| Some(line.split_once(&prefix)?.1.to_owned());
        operator.lines().into_iter().filter_map(message).collect::<Vec<_>>()
    };
    fixture.apply(OBJECT);
    processed(&fixture, &operator, "Creation is processed: 4 succeeded; 0 failed.").await;
    merge(&objects(&fixture), NAME, json!({"spec": {"field": "other"}})).await;
    processed(&fixture, &operator, "Updating is processed: 2 succeeded; 0 failed.").await;
    operator.terminate().await;
    let created =
        ["RESUMED 2nd, at create", "CREATED 1st", "CREATED 2nd", "FIELD None became Some(\"value\")"];
    let diff = "(('change', ('spec', 'field'), 'value', 'other'),)";
    let updated = [
        &format!("UPDATED from \"value\" to \"other\", that is {diff}"),
        "FIELD Some(\"value\") became Some(\"other\")",
    ];
    assert_eq!(messages(&operator), [&created[..], &updated].concat());

    let operator = fixture.example("05-handlers").start();
    processed(&fixture, &operator, "Resuming is processed: 2 succeeded; 0 failed.").await;
    delete(&objects(&fixture), NAME).await;
    processed(&fixture, &operator, "Deletion is processed: 2 succeeded; 0 failed.").await;
    assert_eq!(messages(&operator), ["RESUMED 1st", "RESUMED 2nd, at resume", "DELETED 1st", "DELETED 2nd",]);
}

/// On a cluster of its own: elsewhere, nobody has a peering.
#[tokio::test]
async fn example_06_peering_is_at_work_once_at_a_time() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "example-06-peering").await;
    fixture.install(include_str!("../../examples/peering.yaml"));
    fixture.install(&fixture.example("06-peering").crds());
    let start = |priority: &str| fixture.example("06-peering").arg(format!("--priority={priority}")).start();
    let mut first = start("10");
    first.wait_for_line("Pausing operations: there is no KopfPeering.kopf.dev \"example\"").await;
    fixture.apply("apiVersion: kopf.dev/v1\nkind: KopfPeering\nmetadata:\n  name: example");
    first.wait_for_line("Resuming operations").await;
    let second = start("0");
    second.wait_for_line("its priority is 10, and this operator's 0").await;
    fixture.apply(OBJECT);
    first.wait_for_line("Handled by this operator: kopf-example-1").await;
    assert_eq!(first.terminate().await.code(), Some(0));
    second.wait_for_line("Resuming operations").await;
    merge(&objects(&fixture), NAME, json!({"spec": {"field": "other"}})).await;
    second.wait_for_line("Handled by this operator: kopf-example-1").await;
    assert_eq!(first.count_lines("Handled by this operator"), 1);
}

#[tokio::test]
async fn example_07_subhandlers_makes_each_item_once() {
    // A cluster of its own, because its CRD has another schema.
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "example-07-subhandlers").await;
    fixture.install(&fixture.example("07-subhandlers").crds());
    let operator = fixture.example("07-subhandlers").start();
    fixture.apply(
        r#"{"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "metadata": {"name": "kopf-example-1"},
            "spec": {"items": ["quick", "slow"]}}"#,
    );
    logged(
        &fixture,
        &operator,
        "korf.objects",
        "ERROR",
        "Handler 'create/slow' failed temporarily and will try again in 1 seconds: not yet",
    )
    .await;
    logged(&fixture, &operator, "07_subhandlers", "INFO", "All 2 items are made.").await;
    succeeded(&fixture, &operator, "create/quick").await;
    succeeded(&fixture, &operator, "create/slow").await;
    succeeded(&fixture, &operator, "create").await;
    for item in ["quick", "slow"] {
        assert_eq!(
            operator.count_lines(&line(&fixture, "07_subhandlers", "INFO", &format!("Made {item}."))),
            1
        );
    }
    delete(&objects(&fixture), NAME).await;
}

#[tokio::test]
async fn example_08_events_logs_watch_events_and_writes_nothing() {
    let fixture = Fixture::new("example-08-events").await;
    fixture.apply(&pod("old", ""));
    let operator = fixture.example("08-events").start();
    let logs = async |name: &str, message: &str| {
        operator.wait_for_line(&line_of(&fixture, name, "08_events", "INFO", message)).await;
    };
    logs("old", "Listed: Pod old with labels {}").await;
    fixture.apply(&pod("new", ""));
    logs("new", "Added: Pod new with labels {}").await;
    let pods = fixture.api("v1", "Pod", "pods");
    let changed = merge(&pods, "new", json!({"metadata": {"labels": {"colour": "blue"}}})).await;
    logs("new", "Modified: Pod new with labels {\"colour\": \"blue\"}").await;
    assert_eq!(version(&pods, "new").await, changed, "only the test has written");
    delete(&pods, "new").await;
    logs("new", "Deleted: Pod new with labels {\"colour\": \"blue\"}").await;
    operator
        .wait_for_line(&line_of(
            &fixture,
            "new",
            "korf.objects",
            "ERROR",
            "Handler 'fail' failed with an exception and will ignore it: Oops!",
        ))
        .await;
}

/// The example's own tests check more, because in memory the minute until the retry passes at once.
#[tokio::test]
async fn example_09_testing_writes_a_letter_for_each_object() {
    let fixture = fixture_with_crd("09-testing").await;
    let operator = fixture.example("09-testing").start();
    fixture.apply(&OBJECT.replace(NAME, "busy").replace("field: value", "field: busy"));
    let failed = "Handler 'write' failed temporarily and will try again in 60 seconds: the person is busy";
    operator.wait_for_line(&line_of(&fixture, "busy", "korf.objects", "ERROR", failed)).await;
    fixture.apply(OBJECT);
    logged(&fixture, &operator, "09_testing", "INFO", "Wrote to kopf-example-1.").await;
    succeeded(&fixture, &operator, "write").await;
    processed(&fixture, &operator, "Creation is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(operator.count_lines("Wrote to busy."), 0);
}

#[tokio::test]
async fn example_10_builtins_deletes_pods_whose_time_is_up() {
    let fixture = Fixture::new("example-10-builtins").await;
    let pods = fixture.api("v1", "Pod", "pods");
    fixture.apply(&pod("other", ""));
    let untouched = version(&pods, "other").await;
    fixture.apply(&pod("patient", "kopf.dev/seconds: '3600'"));
    let mut operator = fixture.example("10-builtins").start();
    let logs = async |operator: &OperatorProcess, name: &str, message: &str| {
        operator.wait_for_line(&line_of(&fixture, name, "10_builtins", "INFO", message)).await;
    };
    fixture.apply(&pod("brief", "kopf.dev/seconds: '1'"));
    logs(&operator, "brief", "The Pod will be deleted in 1s.").await;
    logs(&operator, "brief", "The Pod's time is up.").await;
    until(&pods, "brief", "it is gone", |pod| pod.is_none()).await;
    logs(&operator, "patient", "The Pod will be deleted in 3600s.").await;
    operator.terminate().await;

    let operator = fixture.example("10-builtins").start();
    logs(&operator, "patient", "The Pod will be deleted in 3600s.").await;
    assert_eq!(version(&pods, "other").await, untouched);
    assert_eq!(operator.count_lines("/other]"), 0);
}

#[tokio::test]
async fn example_11_filtering_handlers_calls_the_handlers_whose_filters_match() {
    let fixture = fixture_with_crd("11-filtering-handlers").await;
    let operator = fixture.example("11-filtering-handlers").start();
    fixture.apply(&OBJECT.replace("spec:", "  labels: {somelabel: somevalue}\nspec:"));
    processed(&fixture, &operator, "Creation is processed: 5 succeeded; 0 failed.").await;
    for id in [
        "label_matches",
        "label_is_present",
        "annotation_passes",
        "field_has_value/spec.field",
        "conditions_hold",
    ] {
        succeeded(&fixture, &operator, id).await;
    }
    merge(&objects(&fixture), NAME, json!({"spec": {"field": "other"}})).await;
    logged(&fixture, &operator, "11_filtering_handler", "INFO", "Field has lost its value.").await;
    processed(&fixture, &operator, "Updating is processed: 1 succeeded; 0 failed.").await;
    delete(&objects(&fixture), NAME).await;

    fixture.apply(
        &OBJECT
            .replace(NAME, "other")
            .replace("spec:", "  annotations: {someannotation: othervalue}\nspec:")
            .replace("field: value", "field: other"),
    );
    let only =
        line_of(&fixture, "other", "korf.objects", "INFO", "Creation is processed: 1 succeeded; 0 failed.");
    operator.wait_for_line(&only).await;
    assert_eq!(
        operator.count_lines(&line_of(&fixture, "other", "11_filtering_handler", "INFO", "Label is absent.")),
        1
    );
}

#[tokio::test]
async fn the_operator_of_ones_own_keeps_a_secret_in_step_with_its_map() {
    let fixture = Fixture::new("your-own-operator").await;
    let operator = fixture.example("your-own-operator").start();
    let (maps, secrets) =
        (fixture.api("v1", "ConfigMap", "configmaps"), fixture.api("v1", "Secret", "secrets"));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting, labels: {mirror: 'true'}}";
    fixture.apply(map);
    let logs = async |level: &str, message: &str| {
        operator.wait_for_line(&line_of(&fixture, "greeting", "korf.objects", level, message)).await;
    };
    let failed = "Handler 'mirror' failed temporarily and will try again in 30 seconds: there is no data yet";
    logs("ERROR", failed).await;
    merge(&maps, "greeting", json!({"data": {"text": "hello"}})).await;
    logs("INFO", "Creation is processed: 1 succeeded; 0 failed.").await;
    let secret = secrets.get("greeting").await.unwrap();
    assert_eq!(secret.data["data"], json!({"text": "aGVsbG8="}));
    assert_eq!(secret.metadata.owner_references.unwrap()[0].kind, "ConfigMap");
    merge(&maps, "greeting", json!({"data": {"text": null, "other": "hello"}})).await;
    logs("INFO", "Updating is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(secrets.get("greeting").await.unwrap().data["data"], json!({"other": "aGVsbG8="}));
    merge(&maps, "greeting", json!({"metadata": {"labels": {"mirror": null}}})).await;
    logs("INFO", "Handler 'unmirror/metadata.labels.mirror' succeeded.").await;
    assert!(secrets.get_opt("greeting").await.unwrap().is_none());
    let finalizers = maps.get("greeting").await.unwrap().metadata.finalizers;
    assert_eq!(finalizers, None);
}

/// The program and its operator work in the namespace of the kubeconfig's context.
#[tokio::test]
async fn example_12_embedded_does_its_work_beside_an_operator() {
    let fixture = fixture_with_common_crd("12-embedded").await;
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-12-kubeconfig");
    let text = std::fs::read_to_string(fixture.cluster.control_plane.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["contexts"][0]["context"]["namespace"] = json!(fixture.namespace);
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    let mut program = fixture.example("12-embedded").env("KUBECONFIG", &path).start();
    assert_eq!(program.wait().await.code(), Some(0));
    let prefix = "12_embedded          [INFO    ] ";
    let told = program.lines().into_iter().filter_map(|line| Some(line.split_once(prefix)?.1.to_owned()));
    let steps = (0..3).flat_map(|step| {
        [
            format!("Do the main app activity here. Step {}/3.", step + 1),
            format!("Hello, kopf-example-{step}!"),
            format!("Good bye, kopf-example-{step}!"),
        ]
    });
    let all = ["Starting the main app.".to_owned()].into_iter().chain(steps);
    let all = all.chain(["Exiting the main app.".to_owned()]);
    assert_eq!(told.collect::<Vec<_>>(), all.collect::<Vec<_>>());
    for handler in ["create_fn", "delete_fn"] {
        assert_eq!(program.count_lines(&format!("Handler '{handler}' succeeded. operator=embedded")), 3);
    }
    let left = objects(&fixture).list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 0);
}

#[tokio::test]
async fn example_13_hooks_begins_and_ends_with_its_hooks() {
    let fixture = Fixture::new("example-13-hooks").await;
    fixture.apply(&pod("kopf-example-1", ""));
    let command = fixture.example("13-hooks").arg("--liveness=http://127.0.0.1:0/healthz");
    let mut operator = command.start();
    logged(&fixture, &operator, "13_hooks", "INFO", "Served by the background task.").await;
    let probed = Health::of(&operator).await.ask("/healthz");
    assert_eq!(probed, (200, r#"{"tasks_count":1}"#.to_owned()));
    assert_eq!(operator.terminate().await.code(), Some(0));
    let told = |text: &str| operator.lines().iter().position(|line| line.contains(text));
    let in_order = [
        "Activity 'login_fn' succeeded.",
        "Initialising the tasks...",
        "Activity 'startup_fn_simple' succeeded.",
        "Activity 'startup_fn_retried' failed temporarily and will try again in 1 seconds: Going to succeed in 3s",
        "Going to succeed in 1s",
        "Starting retried...",
        "Activity 'startup_fn_retried' succeeded.",
        "Handler 'pod_task' succeeded.",
        "Signal SIGTERM is received. Operator is stopping.",
        "Cleaning up...",
        // The tasks may end before the next line.
        "Serving is finished by request.",
        "Activity 'cleanup_fn' succeeded.",
    ];
    let places = in_order.map(|text| told(text).unwrap_or_else(|| panic!("{text}")));
    assert!(places.is_sorted(), "{places:?} {:#?}", operator.lines());
    assert_eq!(operator.count_lines("All pod-tasks are requested to stop..."), 1);
    for id in ["startup_fn_simple", "startup_fn_retried", "cleanup_fn"] {
        assert_eq!(operator.count_lines(&format!("'{id}' succeeded.")), 1, "{id}");
    }
}

/// The lines are those that Kopf's own tests wait for, but for the words of its pings.
#[tokio::test]
async fn example_14_daemons_accompanies_its_object_until_it_is_deleted() {
    let fixture = Fixture::new("example-14-daemons").await;
    let _definition = install_its_own(&fixture, "14-daemons").await;
    let mut operator = fixture.example("14-daemons").start();
    fixture.apply(OBJECT);
    let failed =
        "Daemon 'background_sync' failed temporarily and will try again in 1 seconds: Simulated failure.";
    operator.wait_for_lines(&line(&fixture, "korf.objects", "ERROR", failed), 3).await;
    let message = async |text: &str| {
        until(&objects(&fixture), NAME, text, |object| {
            object.is_some_and(|object| object["status"]["message"] == text)
        })
        .await
        .unwrap()
    };
    let ping = |daemon: &str, field: &str| format!("=> Ping from {daemon} daemon: field={field:?}");
    logged(&fixture, &operator, "14_daemons", "INFO", &ping("a patient", "value")).await;
    message("Failed 3 times.").await;
    let annotated =
        json!({"metadata": {"annotations": {"someannotation": "somevalue"}}, "spec": {"field": "other"}});
    merge(&objects(&fixture), NAME, annotated).await;
    logged(&fixture, &operator, "14_daemons", "INFO", &ping("an endless", "other")).await;
    logged(&fixture, &operator, "14_daemons", "INFO", &ping("a patient", "other")).await;
    assert_eq!(objects(&fixture).get(NAME).await.unwrap().metadata.finalizers, None);
    delete(&objects(&fixture), NAME).await;
    for words in [
        "'background_async' is cancelled.",
        "'background_async' has exited on request",
        "'background_sync' has exited",
    ] {
        logged(&fixture, &operator, "korf.objects", "DEBUG", &format!("Daemon {words}")).await;
    }
    logged(&fixture, &operator, "korf.objects", "INFO", "Daemon 'background_sync' succeeded.").await;
    assert_eq!(operator.count_lines("Daemon 'background_sync' succeeded."), 1);

    fixture.apply(OBJECT);
    operator.wait_for_lines(&line(&fixture, "14_daemons", "INFO", &ping("a patient", "value")), 2).await;
    assert!(operator.terminate().await.success());
    message("Accompanying is finished.").await;
    delete(&objects(&fixture), NAME).await;
}

#[tokio::test]
async fn example_15_timers_ticks_while_its_object_is_there() {
    let fixture = Fixture::new("example-15-timers").await;
    let _definition = install_its_own(&fixture, "15-timers").await;
    let operator = fixture.example("15-timers").start();
    fixture.apply(OBJECT);
    for beat in 1..=3 {
        logged(&fixture, &operator, "15_timers", "INFO", &format!("kopf-example-1: beat {beat}")).await;
    }
    until(&objects(&fixture), NAME, "three beats are counted", |object| {
        object.is_some_and(|object| object["status"]["thirds"] == 1)
    })
    .await;
    let told = "kopf-example-1 has not been changed for a while";
    logged(&fixture, &operator, "15_timers", "INFO", told).await;
    logged(&fixture, &operator, "korf.objects", "INFO", "Timer 'stumble' succeeded.").await;
    assert_eq!(objects(&fixture).get(NAME).await.unwrap().metadata.finalizers, None);
    delete(&objects(&fixture), NAME).await;
}

/// With the handlers that Kopf's own suite expects to succeed once in its example of this number.
#[tokio::test]
async fn example_99_all_at_once_calls_each_of_its_handlers_until_it_succeeds() {
    let fixture = Fixture::new("example-99-all-at-once").await;
    let _definition = install_its_own(&fixture, "99-all-at-once").await;
    let mut operator = fixture.example("99-all-at-once").start();
    fixture.apply(OBJECT);
    processed(&fixture, &operator, "Creation is processed: 3 succeeded; 0 failed.").await;
    logged(&fixture, &operator, "korf.objects", "ERROR", "Handler 'create_2' failed with an exception").await;
    merge(&objects(&fixture), NAME, json!({"spec": {"lst": ["a"]}})).await;
    logged(&fixture, &operator, "99_all_at_once", "INFO", "Handling the field: from None to Some([\"a\"]).")
        .await;
    processed(&fixture, &operator, "Updating is processed: 2 succeeded; 0 failed.").await;
    let pod = line(&fixture, "99_all_at_once", "INFO", "This Pod is special for us.");
    operator.wait_for_line(&pod).await;
    let status = objects(&fixture).get(NAME).await.unwrap().data["status"].clone();
    assert_eq!(status, json!({"create_1": {"job1-status": 100}, "create_2": {"job2-status": 100}}));
    delete(&objects(&fixture), NAME).await;
    assert!(operator.terminate().await.success());
    operator.wait_for_line("Cleaning up.").await;
    for id in ["create_1", "create_2", "create_pod", "delete"] {
        assert_eq!(operator.count_lines(&format!("Handler '{id}' succeeded.")), 1, "{id}");
    }
    for id in ["startup_fn_simple", "startup_fn_retried", "cleanup_fn"] {
        assert_eq!(operator.count_lines(&format!("Activity '{id}' succeeded.")), 1, "{id}");
    }
    assert_eq!(operator.count_lines("Activity 'startup_fn_retried' failed temporarily"), 3);
}

#[tokio::test]
async fn example_16_indexing_finds_the_pods_that_run_and_those_with_a_label() {
    let fixture = Fixture::new("example-16-indexing").await;
    let _definition = install_its_own(&fixture, "16-indexing").await;
    let labelled = |name: &str| pod(name, "").replace("annotations: {}", "labels: {app: web}");
    for name in ["b", "a"] {
        fixture.apply(&labelled(name));
    }
    let mut operator = fixture.example("16-indexing").arg("--liveness=http://127.0.0.1:0/healthz").start();
    let pods = fixture.api("v1", "Pod", "pods");
    let line = operator.wait_for_line("Serving health status at http://").await;
    let address = line.split_once("http://").unwrap().1.split_once(": /").unwrap().0;
    let url = format!("http://{address}/healthz");
    let probed = async || -> Value {
        serde_json::from_str(&ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap()).unwrap()
    };
    let both = json!({"pod_count": 2, "pod_names": ["a", "b"]});
    eventually("the probes know both pods", probed, |known| *known == both).await;
    fixture.apply(OBJECT);
    logged(&fixture, &operator, "16_indexing", "INFO", "app=web: a, b").await;
    let running = async |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("{}::{name}", fixture.namespace)).collect();
        let shows = |object: Option<&Value>| {
            object.is_some_and(|object| object["status"]["running-pods"] == json!(names))
        };
        until(&objects(&fixture), NAME, "the status shows the pods that run", shows).await;
    };
    running(&[]).await;
    let status = Patch::Merge(json!({"status": {"phase": "Running"}}));
    pods.patch_status("b", &PatchParams::default(), &status).await.unwrap();
    running(&["b"]).await;
    merge(&pods, "a", json!({"metadata": {"labels": {"app": null}}})).await;
    logged(&fixture, &operator, "16_indexing", "INFO", "app=web: b").await;
    delete(&pods, "b").await;
    running(&[]).await;
    operator.terminate().await;
    assert_eq!(operator.count_lines("failed"), 0);
    assert_eq!(pods.get("a").await.unwrap().metadata.finalizers, None);
    delete(&objects(&fixture), NAME).await;
}

/// Installs an example's own CRD of `KopfExample`. Another example's, of the same name, waits until this one is done with.
async fn install_its_own(fixture: &Fixture<'_>, example: &str) -> MutexGuard<'static, ()> {
    static DEFINITION: Mutex<()> = Mutex::const_new(());
    let definition = DEFINITION.lock().await;
    fixture.install(&fixture.example(example).crds());
    definition
}

/// A fixture on a cluster with the CRD of `KopfExample`, which this example shares with most.
async fn fixture_with_crd(example: &str) -> Fixture<'static> {
    let fixture = fixture_with_common_crd(example).await;
    assert_eq!(fixture.example(example).crds(), fixture.example("02-children").crds());
    fixture
}

/// The same for an example that doesn't print it.
async fn fixture_with_common_crd(example: &str) -> Fixture<'static> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let fixture = Fixture::on(Cluster::with_full_crd().await, &format!("example-{example}")).await;
    let crds = fixture.example("02-children").crds();
    INSTALLED.get_or_init(async || fixture.install(&crds)).await;
    fixture
}

fn objects(fixture: &Fixture<'_>) -> Api<DynamicObject> {
    fixture.api("kopf.dev/v1", "KopfExample", "kopfexamples")
}

fn pod(name: &str, annotation: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations: {{{annotation}}}\n\
         spec:\n  containers: [{{name: pause, image: registry.k8s.io/pause}}]"
    )
}

/// Applies a merge patch, and returns the new resource version.
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

fn line(fixture: &Fixture<'_>, logger: &str, level: &str, message: &str) -> String {
    line_of(fixture, NAME, logger, level, message)
}

/// A line of the log, without its time.
fn line_of(fixture: &Fixture<'_>, name: &str, logger: &str, level: &str, message: &str) -> String {
    format!("{logger:20} [{level:8}] [{}/{name}] {message}", fixture.namespace)
}

async fn logged(fixture: &Fixture<'_>, operator: &OperatorProcess, logger: &str, level: &str, message: &str) {
    operator.wait_for_line(&line(fixture, logger, level, message)).await;
}

async fn succeeded(fixture: &Fixture<'_>, operator: &OperatorProcess, id: &str) {
    logged(fixture, operator, "korf.objects", "INFO", &format!("Handler '{id}' succeeded.")).await;
}

async fn processed(fixture: &Fixture<'_>, operator: &OperatorProcess, message: &str) {
    logged(fixture, operator, "korf.objects", "INFO", message).await;
}
