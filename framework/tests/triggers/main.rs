//! Every way in which a handler comes to be called, on a cluster in memory.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod filters;
mod finalizers;
mod past;
mod raw;
mod reads;
mod selectors;
mod subs;
mod things;
mod told;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use korf::{
    Error, EventType, Labels, Match, Memo, Name, New, Old, Param, Reason, Result, State, Uid, When,
    on_create, on_delete, on_event, on_field, on_resume, on_update,
};
use korf_testing::api::Served;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use std::time::Duration;
use things::{Seen, Thing, cluster, thing};

const NOTHING: [&str; 0] = [];

fn size(size: u32) -> Value {
    json!({"spec": {"size": size}})
}

async fn reason(seen: State<Seen>, reason: Reason) {
    seen.note(reason.to_string());
}

async fn field(seen: State<Seen>, old: Old<Option<u32>>, new: New<Option<u32>>, reason: Reason) {
    seen.note(format!("{reason}: {:?} → {:?}", *old, *new));
}

#[test]
fn resuming_comes_once_after_each_start() {
    let handler = || on_create::<Thing>("f").run(reason);
    let (mut cluster, seen) = cluster([handler(), on_resume::<Thing>("f").run(reason)]);
    cluster.create(&thing("a", 1)).unwrap();
    assert_eq!(seen.take(), ["create"]);
    for new in 2..4 {
        cluster.patch::<Thing>("a", size(new)).unwrap();
        assert_eq!(seen.take(), NOTHING);
        cluster.restart().unwrap();
        assert_eq!(seen.take(), ["resume"]);
    }
    cluster.kill();
    cluster.patch::<Thing>("a", size(9)).unwrap();
    cluster.create(&thing("b", 1)).unwrap();
    cluster.start().unwrap();
    assert_eq!(seen.take(), ["update", "create"], "what was changed is resumed; what is new is not");
}

#[test]
fn one_function_of_several_triggers_is_called_once_for_a_change() {
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("f").run(reason),
        on_update::<Thing>("f").run(reason),
        on_resume::<Thing>("f").deleted().run(reason),
        on_delete::<Thing>("f").run(reason),
    ]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.kill();
    cluster.patch::<Thing>("a", size(2)).unwrap();
    cluster.start().unwrap();
    cluster.kill();
    cluster.delete::<Thing>("a").unwrap();
    cluster.start().unwrap();
    assert_eq!(seen.take(), ["create", "update", "delete"]);
    assert!(!cluster.exists::<Thing>("a"));
}

#[test]
fn a_handler_of_a_field_is_called_for_changes_of_that_field_alone() {
    let shrunk =
        |facts: &korf::Facts<'_>| facts.diff.iter().any(|item| item.new.as_u64() < item.old.as_u64());
    let (mut cluster, seen) = cluster([
        on_field::<Thing>("field", "spec.size").run(field),
        on_field::<Thing>("shrunk", "spec.size")
            .when(shrunk)
            .run(async |seen: State<Seen>| seen.note("shrunk")),
    ]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", size(2)).unwrap();
    cluster.patch::<Thing>("a", json!({"spec": {"parts": ["x"]}})).unwrap();
    cluster.patch::<Thing>("a", size(1)).unwrap();
    let expected =
        ["create: None → Some(1)", "update: Some(1) → Some(2)", "update: Some(2) → Some(1)", "shrunk"];
    assert_eq!(seen.take(), expected);
    assert!(cluster.said("a", "Handler 'field/spec.size' succeeded."));
}

#[test]
fn raw_events_are_all_that_the_watch_says() {
    async fn event(seen: State<Seen>, event: EventType, name: Name, uid: Uid, count: Memo<u32>) -> Result {
        assert!(!uid.is_empty());
        let number = count.with(|count| {
            *count += 1;
            *count
        });
        seen.note(format!("{name} {event:?} {number}"));
        Err(Error::permanent("of no consequence"))
    }
    let handler = on_event::<Thing>("event").annotation("quiet", Match::Absent).run(event);
    let (mut cluster, seen) = cluster([handler]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"status": {"x": 1}})).unwrap();
    cluster.restart().unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"annotations": {"quiet": ""}}})).unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"annotations": {"quiet": null}}})).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    let lines = seen.take();
    assert_eq!(lines.first().map(String::as_str), Some("a Added 1"), "{lines:?}");
    assert!(lines.contains(&"a Listed 1".into()) && lines.contains(&"a Deleted 3".into()), "{lines:?}");
    assert!(cluster.writes().is_empty(), "{:?}", cluster.writes());
}

#[test]
fn a_result_of_a_raw_event_is_written_only_if_it_changes_something() {
    async fn event(labels: Labels) -> Result<Value> {
        Ok(labels.len().into())
    }
    let (mut cluster, _) = cluster([on_event::<Thing>("labels").run(event)]);
    cluster.create(&thing("a", 1)).unwrap();
    assert_eq!(cluster.writes().len(), 1);
    cluster.patch::<Thing>("a", size(2)).unwrap();
    assert_eq!(cluster.writes().len(), 1);
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"x": ""}}})).unwrap();
    assert_eq!(cluster.writes().len(), 2);
    assert_eq!(cluster.get::<Thing>("a").unwrap().status.unwrap().results["labels"], 1);
}

#[test]
fn objects_that_no_handler_is_for_are_left_as_they_are() {
    let web = || Match::from("web");
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("f").label("app", web()).when(When::not(|_: &korf::Facts<'_>| false)).run(reason),
        on_delete::<Thing>("f").label("app", web()).run(reason),
    ]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": "db"}}})).unwrap();
    assert_eq!((cluster.writes().len(), cluster.lines_of("a").len()), (0, 0));
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": "web"}}})).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["create", "delete"]);
}

#[test]
fn one_function_with_several_parameters_is_several_handlers() {
    async fn note(seen: State<Seen>, param: Param<&'static str>) {
        seen.note(*param);
    }
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("one").param("first").run(note),
        on_create::<Thing>("two").param("second").run(note),
    ]);
    cluster.create(&thing("a", 1)).unwrap();
    assert_eq!(seen.take(), ["first", "second"]);
}

#[test]
fn a_deletion_that_failed_for_good_keeps_the_object_unless_it_lets_go() {
    async fn fail(seen: State<Seen>) -> Result {
        seen.note("called");
        Err(Error::permanent("no"))
    }
    for (lets_go, calls, exists) in [(false, 2, true), (true, 1, false)] {
        let on = on_delete::<Thing>("drop");
        let handler = if lets_go { on.let_go() } else { on }.run(fail);
        let (mut cluster, seen) = cluster([handler]);
        cluster.create(&thing("a", 1)).unwrap();
        cluster.delete::<Thing>("a").unwrap();
        cluster.advance(Duration::from_secs(3600));
        cluster.restart().unwrap();
        assert_eq!((seen.take().len(), cluster.exists::<Thing>("a")), (calls, exists), "lets go: {lets_go}");
    }
}

#[test]
fn an_attempt_is_interrupted_at_the_timeout() {
    async fn hang(seen: State<Seen>) {
        seen.note("begun");
        std::future::pending::<()>().await;
    }
    let handler = on_create::<Thing>("hang").timeout(Duration::from_secs(5)).run(hang);
    let (mut cluster, seen) = cluster([handler]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(6));
    assert_eq!(seen.take(), ["begun"]);
    assert!(cluster.lines_of("a").iter().any(|line| line.starts_with("Handler 'hang' has timed out")));
}

#[test]
fn results_that_the_schema_drops_are_warned_of_at_the_start() {
    async fn value() -> Result<Value> {
        Ok(1.into())
    }
    let mut narrow = serde_json::to_value(Thing::crd()).unwrap();
    narrow["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] =
        json!({"type": "object"});
    let narrow: CustomResourceDefinition = serde_json::from_value(narrow).unwrap();
    for (definition, warnings) in [(None, 0), (Some(Thing::crd()), 0), (Some(narrow), 1)] {
        let (mut cluster, _) = cluster([on_create::<Thing>("f").run(value)]);
        cluster.serve(Served::of::<CustomResourceDefinition>().cluster_scoped());
        if let Some(definition) = &definition {
            cluster.create(definition).unwrap();
        }
        cluster.restart().unwrap();
        let warned: Vec<_> =
            cluster.lines().into_iter().filter(|line| line.message.contains("has no room")).collect();
        assert_eq!(warned.len(), warnings, "{definition:?} {warned:?}");
        assert!(warned.iter().all(|line| line.message.contains("status.f (handler 'f')")), "{warned:?}");
    }
}
