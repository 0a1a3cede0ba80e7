//! Triggers of handlers, on a cluster in memory.

#![expect(clippy::unwrap_used, reason = "in a test, a panic with its place is the best message")]

mod deliveries;
mod events;
mod filters;
mod finalizers;
mod first_matches;
mod outages;
mod past;
mod reads;
mod selectors;
mod subs;
mod things;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use korf::{
    Attempt, Error, Labels, Memo, Name, New, ObjectPatch, Old, Reason, Result, State,
    extract::{NewValue, OldValue, Param, Uid, WatchEventType},
    filter::{Match, not},
    on_create, on_delete, on_event, on_field, on_resume, on_update,
};
use korf_testing::api::{Delivery, EventDelivery, Fault, Faults, Request, ServedKind, WatchEvent};
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
fn resume_handlers_are_called_once_after_each_start() {
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
    assert_eq!(seen.take(), ["update", "create"], "a changed object is resumed, a new one isn't");
}

/// The operator is busy until a second change: it never sees the first one.
struct Overtaken;

impl Faults for Overtaken {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.object["spec"]["size"] == 2 { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

/// `kubectl wait` and Flux wait until a status says that the generation was observed.
#[test]
fn a_change_that_was_taken_back_calls_resume_handlers_where_generations_are_followed() {
    for follows in [false, true] {
        let handlers = [
            on_create::<Thing>("f").run(reason),
            on_update::<Thing>("f").run(reason),
            on_resume::<Thing>("f").run(reason),
        ];
        let (mut cluster, seen) =
            things::cluster_of(
                handlers,
                move |operator| {
                    if follows { operator.follow_generations() } else { operator }
                },
            );
        cluster.create(&thing("a", 1)).unwrap();
        assert_eq!(seen.take(), ["create"]);
        cluster.set_faults(Overtaken);
        for new in [2, 1] {
            cluster.patch::<Thing>("a", size(new)).unwrap();
        }
        let expected: &[&str] = if follows { &["resume"] } else { &[] };
        assert_eq!(seen.take(), expected, "follows: {follows}");
        cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"x": "y"}}})).unwrap();
        assert_eq!(seen.take(), ["update"], "a change without a generation is one as ever");
        cluster.patch::<Thing>("a", size(9)).unwrap();
        assert_eq!(seen.take(), ["update"], "and so is one with a difference");
        cluster.advance(Duration::from_secs(600));
        assert_eq!(seen.take(), NOTHING);
    }
}

/// The object was resumed completely then, as it seemed, and the record of the first attempt stayed on it.
#[test]
fn a_resumption_goes_on_once_the_object_has_its_label_again() {
    async fn later(seen: State<Seen>, attempt: Attempt) -> Result {
        seen.note(format!("resume #{}", attempt.0));
        if attempt.0 == 0 { Err(Error::temporary("not yet", Duration::from_secs(10))) } else { Ok(()) }
    }
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("f").label("on", Match::Present).run(reason),
        on_resume::<Thing>("f").label("on", Match::Present).run(later),
    ]);
    let label = |on: Option<&str>| json!({"metadata": {"labels": {"on": on}}});
    let mut object = thing("a", 1);
    object.metadata.labels = Some([("on".to_owned(), "yes".to_owned())].into());
    cluster.create(&object).unwrap();
    cluster.restart().unwrap();
    assert_eq!(seen.take(), ["create", "resume #0"]);
    cluster.patch::<Thing>("a", label(None)).unwrap();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(seen.take(), NOTHING);
    cluster.patch::<Thing>("a", label(Some("yes"))).unwrap();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(seen.take(), ["resume #1"]);
}

/// All writes of the operator fail.
struct Down;

impl Faults for Down {
    fn request(&mut self, request: &Request) -> Delivery {
        let ours = request.is_write() && request.client == "operator";
        if ours { Delivery::before(Fault::Rejected(500)) } else { Delivery::pass() }
    }
}

#[test]
fn a_resumption_that_is_stored_after_an_outage_is_not_made_again() {
    async fn resume(seen: State<Seen>) -> Result<Value> {
        seen.note("resume");
        Ok(1.into())
    }
    let (mut cluster, seen) =
        cluster([on_create::<Thing>("f").run(reason), on_resume::<Thing>("r").run(resume)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.kill();
    cluster.set_faults(Down);
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(100));
    assert_eq!(seen.take(), ["create", "resume"]);
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(100));
    cluster.patch::<Thing>("a", size(2)).unwrap();
    assert_eq!(seen.take(), NOTHING);
    assert_eq!(cluster.get::<Thing>("a").unwrap().status.unwrap().results["r"], 1);
}

#[test]
fn a_handlers_own_change_that_is_stored_after_an_outage_does_not_call_it_early() {
    async fn create(seen: State<Seen>, patch: ObjectPatch) -> Result {
        seen.note("create");
        patch.label("marked", Some("yes"));
        Err(Error::temporary("not yet", Duration::from_secs(3600)))
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("c").run(create)]);
    cluster.set_faults(Down);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(100));
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(600));
    assert_eq!(seen.take(), ["create"]);
    assert!(cluster.get::<Thing>("a").unwrap().metadata.labels.is_some());
}

#[test]
fn a_function_with_several_triggers_is_called_once_per_change() {
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
fn a_field_handler_is_called_only_for_changes_of_its_field() {
    let shrunk = |old: OldValue, new: NewValue| new.as_u64() < old.as_u64();
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
    assert!(cluster.logged("a", "Handler 'field/spec.size' succeeded."));
}

#[test]
fn event_handlers_receive_every_event_of_the_watch() {
    async fn event(
        seen: State<Seen>,
        event: WatchEventType,
        name: Name,
        uid: Uid,
        count: Memo<u32>,
    ) -> Result {
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
fn the_result_of_an_event_handler_is_written_only_if_it_changes_something() {
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
fn objects_without_matching_handlers_are_untouched() {
    let web = || Match::from("web");
    let (mut cluster, seen) = cluster([
        on_create::<Thing>("f").label("app", web()).when(not(|| false)).run(reason),
        on_delete::<Thing>("f").label("app", web()).run(reason),
    ]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": "db"}}})).unwrap();
    assert_eq!((cluster.writes().len(), cluster.lines_about("a").len()), (0, 0));
    cluster.patch::<Thing>("a", json!({"metadata": {"labels": {"app": "web"}}})).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["create", "delete"]);
}

#[test]
fn a_function_with_several_parameters_is_several_handlers() {
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
fn a_permanently_failed_deletion_keeps_the_object_unless_it_may_release_it() {
    async fn fail(seen: State<Seen>) -> Result {
        seen.note("called");
        Err(Error::permanent("no"))
    }
    for (releases, calls, exists) in [(false, 2, true), (true, 1, false)] {
        let on = on_delete::<Thing>("drop");
        let handler = if releases { on.release_on_failure() } else { on }.run(fail);
        let (mut cluster, seen) = cluster([handler]);
        cluster.create(&thing("a", 1)).unwrap();
        cluster.delete::<Thing>("a").unwrap();
        cluster.advance(Duration::from_secs(3600));
        cluster.restart().unwrap();
        assert_eq!(
            (seen.take().len(), cluster.exists::<Thing>("a")),
            (calls, exists),
            "releases: {releases}"
        );
    }
}

#[test]
fn an_attempt_is_cancelled_at_its_timeout() {
    async fn hang(seen: State<Seen>) {
        seen.note("begun");
        std::future::pending::<()>().await;
    }
    let handler = on_create::<Thing>("hang").timeout(Duration::from_secs(5)).run(hang);
    let (mut cluster, seen) = cluster([handler]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(6));
    assert_eq!(seen.take(), ["begun"]);
    assert!(cluster.lines_about("a").iter().any(|line| line.starts_with("Handler 'hang' has timed out")));
}

fn definition_with_status(status: Value) -> CustomResourceDefinition {
    let mut definition = serde_json::to_value(Thing::crd()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = status;
    serde_json::from_value(definition).unwrap()
}

#[test]
fn a_field_that_the_schema_drops_causes_one_warning() {
    async fn value(attempt: Attempt) -> Result<Value> {
        Ok(attempt.0.into())
    }
    let (mut cluster, _) = cluster([on_create::<Thing>("f").run(value), on_update::<Thing>("f").run(value)]);
    cluster.serve(ServedKind::of::<Thing>().with_status_fields(["other"]));
    cluster.restart().unwrap();
    for name in ["a", "b"] {
        cluster.create(&thing(name, 1)).unwrap();
        cluster.patch::<Thing>(name, size(2)).unwrap();
    }
    let warnings = cluster.lines().into_iter().filter(|line| line.message.contains("inconsistencies"));
    let warnings: Vec<_> = warnings.map(|line| line.message).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("status.f"), "{warnings:?}");
}

/// The schema can change after the check at the start. The records were lost, and handlers called without end.
#[test]
fn handlers_are_called_once_though_the_schema_drops_the_progress() {
    let handlers = || [on_create::<Thing>("f").run(reason), on_update::<Thing>("f").run(reason)];
    let (mut cluster, seen) = things::cluster_of(handlers(), korf::Operator::status_storage);
    cluster.serve(ServedKind::of::<Thing>().with_status_fields(["other"]));
    cluster.restart().unwrap();
    cluster.create(&thing("a", 1)).unwrap();
    cluster.advance(Duration::from_secs(1000));
    assert_eq!(seen.take(), ["create"]);
    let errors = cluster.lines_about("a").into_iter().filter(|line| line.contains("doesn't keep it"));
    assert_eq!(errors.count(), 1);
    cluster.serve(ServedKind::of::<Thing>());
    cluster.patch::<Thing>("a", size(2)).unwrap();
    cluster.advance(Duration::from_secs(1000));
    assert_eq!(seen.take(), ["update"]);
}

#[test]
fn an_operator_does_not_start_if_the_schema_drops_its_status_storage() {
    let create = || on_create::<Thing>("f").run(reason);
    let preserve = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for (status, starts) in [(json!({"type": "object"}), false), (preserve, true)] {
        let (mut cluster, _) = things::cluster_of([create()], korf::Operator::status_storage);
        cluster.serve(ServedKind::of::<CustomResourceDefinition>().cluster_scoped());
        cluster.create(&definition_with_status(status)).unwrap();
        match cluster.restart() {
            Ok(()) => assert!(starts),
            Err(error) => assert!(!starts && error.to_string().contains("`status.things`"), "{error}"),
        }
    }
}
