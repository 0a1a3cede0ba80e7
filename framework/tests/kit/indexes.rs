//! Indexes: filled before any handler, and equal to what is there.

use crate::lights::{Light, flickering, light, paint};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use korf::{
    Error, Index, Labels, Name, Object, Operator, Result, Spec, State,
    extract::Rejection,
    handler::{Handler, OnError, Registry},
};
use korf_testing::{
    Cluster,
    api::{Delivery, EventDelivery, Fault, Faults, Request, ServedKind, WatchEvent},
};
use kube::core::{ApiResource, ObjectMeta};
use serde_json::json;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

type ByColor = Index<String, Name>;

/// The index, as an index function has got it; and what handlers have found in theirs.
#[derive(Clone, Default)]
struct View(Arc<Mutex<(Option<ByColor>, Vec<String>)>>);

impl View {
    fn open(&self, index: ByColor) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(index);
    }

    fn note(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.push(what);
    }

    fn noted(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn shown(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.as_ref().map(text).unwrap_or_default()
    }
}

/// `blue: b; red: a, c`.
fn text(index: &ByColor) -> String {
    let key = |(color, names): (String, Vec<Arc<Name>>)| {
        format!("{color}: {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    index.iter().map(key).collect::<Vec<_>>().join("; ")
}

type LightSpec = crate::lights::LightSpec;

/// The color of a light is a list of colors, and some colors are mistakes.
fn by_color(
    spec: Spec<LightSpec>,
    name: Name,
    index: ByColor,
    view: State<View>,
) -> Result<Vec<(String, Name)>> {
    view.open(index);
    match &*spec.color {
        "odd" => Err(Error::new("an odd color")),
        "no" => Err(Error::permanent("no color")),
        "later" => Err(Error::temporary("no color yet", Duration::from_secs(1))),
        "panic" => panic!("oh"),
        colors => Ok(colors.split_terminator('+').map(|color| (color.to_owned(), name.clone())).collect()),
    }
}

async fn look(name: Name, index: ByColor, view: State<View>) {
    view.note(format!("{name}: {}", text(&index)));
}

fn indexing() -> Handler {
    korf::index::<Light>("by_color").run(by_color)
}

fn cluster(view: &View, handlers: impl Fn() -> Vec<Handler> + Send + Sync + 'static) -> Cluster {
    let view = view.clone();
    let make = move || Operator::with_registry("lights", Registry::from_iter(handlers())).state(view.clone());
    Cluster::of(make).unwrap()
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

#[test]
fn an_index_follows_the_objects_and_costs_no_request() {
    let view = View::default();
    let mut cluster = cluster(&view, || vec![indexing()]);
    for (name, color) in [("c", "red"), ("a", "red+blue"), ("b", "red+red")] {
        cluster.create(&light(name, color)).unwrap();
    }
    assert_eq!(view.shown(), "blue: a; red: a, b, b, c");
    let requests = cluster.requests().len();
    cluster.patch::<Light>("a", paint("blue+green")).unwrap();
    cluster.patch::<Light>("b", paint("")).unwrap();
    assert_eq!(view.shown(), "blue: a; green: a; red: c");
    cluster.delete::<Light>("c").unwrap();
    assert_eq!(view.shown(), "blue: a; green: a");
    cluster.create(&light("c", "blue")).unwrap();
    cluster.delete::<Light>("a").unwrap();
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(view.shown(), "blue: c; red: a");
    assert_eq!(cluster.requests().len(), requests, "no GET, no PATCH");
    let object: Light = cluster.get("a").unwrap();
    assert_eq!((object.metadata.finalizers, object.metadata.annotations), (None, None));
}

#[test]
fn all_indexes_are_filled_before_the_first_handler_of_any_kind() {
    let view = View::default();
    let mut cluster = cluster(&view, || {
        vec![
            indexing(),
            korf::on_event::<ConfigMap>("event").run(look),
            korf::on_create::<ConfigMap>("create").run(look),
            korf::timer::<Light>("tick", Duration::from_secs(600)).run(look),
        ]
    });
    cluster.stop().unwrap();
    for name in ["a", "b", "c"] {
        cluster.create(&light(name, "red")).unwrap();
    }
    cluster.create(&map("m")).unwrap();
    for slow in ["/lights", "/configmaps"] {
        let before = view.noted().len();
        cluster.set_faults(Slow(slow));
        cluster.start().unwrap();
        cluster.advance(Duration::from_secs(60));
        let noted = view.noted().split_off(before);
        assert!(noted.len() >= 4 && noted.iter().all(|seen| seen.ends_with(": red: a, b, c")), "{noted:?}");
        cluster.stop().unwrap();
    }
}

/// Requests for these objects are slow.
struct Slow(&'static str);

impl Faults for Slow {
    fn request(&mut self, request: &Request) -> Delivery {
        let time = Duration::from_secs(if request.path.ends_with(self.0) { 4 } else { 0 });
        Delivery::pass().taking(time, time)
    }
}

/// The operator may not list these objects.
struct Forbidden(&'static str);

impl Faults for Forbidden {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.path.ends_with(self.0) {
            return Delivery::before(Fault::Says(403, "forbidden"));
        }
        Delivery::pass()
    }
}

#[test]
fn handlers_wait_for_an_index_that_cannot_be_filled_and_the_log_says_for_what() {
    let view = View::default();
    let handlers = || vec![indexing(), korf::on_create::<ConfigMap>("create").run(look)];
    let mut cluster = cluster(&view, handlers);
    cluster.stop().unwrap();
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&map("m")).unwrap();
    cluster.set_faults(Forbidden("/lights"));
    cluster.start().unwrap();
    let told = |cluster: &Cluster| {
        let mut lines: Vec<_> = cluster.lines().into_iter().map(|line| line.message).collect();
        lines.retain(|line| {
            line.contains("all indexes are filled") || line.contains("All indexes are filled: ")
        });
        lines
    };
    cluster.advance(Duration::from_secs(9));
    assert_eq!(told(&cluster), [] as [&str; 0], "not worth a line yet");
    cluster.advance(Duration::from_secs(200));
    let waits = "No handler is called until all indexes are filled: lights.v1.korf.dev is not listed yet.";
    assert_eq!(told(&cluster), [waits]);
    assert_eq!((view.noted(), cluster.writes().len()), (vec![], 0));
    cluster.advance(Duration::from_secs(200));
    assert_eq!(told(&cluster), [waits, waits], "seldom");
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    let filled = "All indexes are filled: handlers are called from now on.";
    assert_eq!(told(&cluster), [waits, waits, filled]);
    assert_eq!(view.noted(), ["m: red: a"]);
}

#[test]
fn with_a_limit_handlers_are_called_though_an_index_lacks_what_can_not_be_listed() {
    let view = View::default();
    let handlers = || vec![indexing(), korf::on_create::<ConfigMap>("create").run(look)];
    let known = view.clone();
    let make = move || {
        let mut operator = Operator::with_registry("lights", Registry::from_iter(handlers()));
        operator.settings_mut().watching.index_limit = Duration::from_secs(5);
        operator.state(known.clone())
    };
    let mut cluster = Cluster::of(make).unwrap();
    cluster.stop().unwrap();
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&map("m")).unwrap();
    cluster.set_faults(Forbidden("/lights"));
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(4));
    assert_eq!(view.noted(), [] as [&str; 0]);
    cluster.advance(Duration::from_secs(2));
    assert_eq!(view.noted(), ["m: "]);
    let lines = cluster.lines().into_iter().map(|line| line.message);
    let told: Vec<_> = lines.filter(|line| line.contains("though")).collect();
    assert_eq!(
        told,
        [
            "Handlers are called though not all indexes are filled: lights.v1.korf.dev is not listed yet. They are filled as soon as that works."
        ]
    );
    // It is filled all the same.
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(60));
    cluster.create(&map("n")).unwrap();
    assert_eq!(view.noted(), ["m: ", "n: red: a"]);
}

#[test]
fn an_operator_that_waits_for_an_index_can_be_stopped() {
    let view = View::default();
    let mut cluster = cluster(&view, || vec![indexing(), korf::on_create::<ConfigMap>("create").run(look)]);
    cluster.stop().unwrap();
    cluster.set_faults(Forbidden("/lights"));
    cluster.create(&map("m")).unwrap();
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(60));
    cluster.stop().unwrap();
    assert_eq!(view.noted(), [] as [&str; 0]);
}

/// The index function, and a handler that gives the objects turns, if wanted.
fn indexing_and_turns(with_turns: bool) -> Vec<Handler> {
    let create = with_turns.then(|| korf::on_create::<Light>("create").run(async || {}));
    [indexing()].into_iter().chain(create).collect()
}

/// No deletion is delivered.
struct Undeleted;

impl Faults for Undeleted {
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if event.what == "DELETED" { EventDelivery::Lose } else { EventDelivery::Pass }
    }
}

#[test]
fn what_a_new_listing_does_not_show_leaves_the_index() {
    for with_turns in [false, true] {
        let view = View::default();
        let mut cluster = cluster(&view, move || indexing_and_turns(with_turns));
        for name in ["a", "b", "c"] {
            cluster.create(&light(name, "red")).unwrap();
        }
        cluster.set_faults(Undeleted);
        cluster.delete::<Light>("a").unwrap();
        cluster.delete::<Light>("b").unwrap();
        cluster.create(&light("b", "blue")).unwrap();
        assert_eq!(view.shown(), "blue: b; red: a, b, c", "nobody has told of a deletion");
        cluster.set_faults(());
        cluster.server().compact();
        cluster.server().expire();
        cluster.advance(Duration::from_secs(5));
        assert_eq!(view.shown(), "blue: b; red: c", "with turns: {with_turns}");
    }
}

#[test]
fn an_error_keeps_what_is_there_and_a_classified_one_removes_it() {
    let odd = "Indexer 'by_color' failed with an exception and will ignore it (the object's entries stay as they are): ";
    for (color, shown, line) in [
        ("odd", "red: a, b", format!("{odd}an odd color")),
        ("panic", "red: a, b", format!("{odd}it panicked: oh")),
        (
            "no",
            "red: b",
            "Indexer 'by_color' failed permanently (the object has no entries until it changes): no color".into(),
        ),
        (
            "later",
            "red: b",
            "Indexer 'by_color' failed temporarily (the object has no entries until it changes): no color yet".into(),
        ),
    ] {
        let view = View::default();
        let mut cluster = cluster(&view, || vec![indexing()]);
        cluster.create(&light("a", "red")).unwrap();
        cluster.create(&light("b", "red")).unwrap();
        cluster.patch::<Light>("a", paint(color)).unwrap();
        for number in 0..3 {
            cluster.patch::<Light>("a", json!({"metadata": {"labels": {"number": number.to_string()}}})).unwrap();
        }
        assert_eq!(view.shown(), shown, "{color}");
        let errors = |cluster: &Cluster| {
            let lines = cluster.lines_about("a").into_iter();
            lines.filter(|line| line.contains("failed")).collect::<Vec<_>>()
        };
        assert_eq!(errors(&cluster), [line.as_str()], "once");
        cluster.patch::<Light>("a", paint("blue")).unwrap();
        assert_eq!(view.shown(), "blue: a; red: b");
        cluster.patch::<Light>("a", paint(color)).unwrap();
        assert_eq!(errors(&cluster), [line.as_str(), line.as_str()], "it is news again");
    }
}

#[test]
fn with_the_option_any_error_removes_the_entries() {
    for errors in [OnError::Permanent, OnError::Temporary] {
        let view = View::default();
        let handlers = move || vec![korf::index::<Light>("by_color").errors(errors).run(by_color)];
        let mut cluster = cluster(&view, handlers);
        cluster.create(&light("a", "red")).unwrap();
        cluster.patch::<Light>("a", paint("panic")).unwrap();
        assert_eq!(view.shown(), "");
        cluster.assert_logged(
            "a",
            "failed with an exception (the object has no entries until it changes): it panicked",
        );
    }
}

#[test]
fn an_object_that_no_longer_matches_or_cannot_be_read_has_no_entries() {
    let view = View::default();
    let handlers = || {
        vec![
            korf::index::<Light>("by_color")
                .label("on", "yes")
                .when(|spec: Spec<LightSpec>| spec.failures < 3)
                .run(by_color),
        ]
    };
    let mut cluster = cluster(&view, handlers);
    let label = |on: &str| json!({"metadata": {"labels": {"on": on}}});
    for name in ["a", "b", "c"] {
        cluster.create(&flickering(name, "red", 0)).unwrap();
        cluster.patch::<Light>(name, label("yes")).unwrap();
    }
    assert_eq!(view.shown(), "red: a, b, c");
    cluster.patch::<Light>("a", label("no")).unwrap();
    cluster.patch::<Light>("b", json!({"spec": {"failures": 3}})).unwrap();
    assert_eq!(view.shown(), "red: c");
    cluster.patch::<Light>("a", label("yes")).unwrap();
    assert_eq!(view.shown(), "red: a, c");
}

#[test]
fn one_function_for_several_kinds_fills_one_index() {
    fn everything(name: Name, _labels: Labels, index: ByColor, view: State<View>) -> (String, Name) {
        view.open(index);
        ("all".into(), name)
    }
    let view = View::default();
    let handlers = || {
        vec![
            korf::index::<Light>("everything").run(everything),
            korf::index::<ConfigMap>("everything").run(everything),
        ]
    };
    let mut cluster = cluster(&view, handlers);
    cluster.create(&light("a", "red")).unwrap();
    cluster.create(&map("m")).unwrap();
    assert_eq!(view.shown(), "all: a, m");
    cluster.delete::<Light>("a").unwrap();
    assert_eq!(view.shown(), "all: m");
}

#[test]
fn a_handler_that_runs_for_long_sees_the_newest_state() {
    async fn wait(index: ByColor, view: State<View>) {
        for _ in 0..3 {
            view.note(text(&index));
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
    let view = View::default();
    let mut cluster = cluster(&view, || vec![indexing(), korf::on_create::<ConfigMap>("create").run(wait)]);
    cluster.create(&map("m")).unwrap();
    cluster.advance(Duration::from_secs(5));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(10));
    cluster.delete::<Light>("a").unwrap();
    cluster.advance(Duration::from_secs(20));
    assert_eq!(view.noted(), ["", "red: a", ""]);
}

#[test]
fn an_own_write_is_in_the_index_when_event_handlers_hear_of_it() {
    /// Reads its object as it was, and changes it.
    async fn change(light: Object<Light>, patch: korf::ObjectPatch) -> Result {
        if light.spec.color == "red" {
            patch.merge(json!({"spec": {"color": "blue"}}));
        }
        Ok(())
    }
    let view = View::default();
    let handlers = || {
        vec![
            indexing(),
            korf::on_create::<Light>("create").run(change),
            korf::on_event::<Light>("event").run(look),
        ]
    };
    let mut cluster = cluster(&view, handlers);
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(Duration::from_secs(1));
    let noted = view.noted();
    assert_eq!((noted.first(), noted.last()), (Some(&"a: red: a".into()), Some(&"a: blue: a".into())));
}

#[test]
fn an_option_of_an_index_that_nothing_fills_is_none() {
    async fn optional(
        index: Option<Index<u8, u8>>,
        rejected: Result<Index<u8, u8>, Rejection>,
        view: State<View>,
    ) {
        view.note(format!("{} {}", index.is_none(), rejected.unwrap_err()));
    }
    let view = View::default();
    let mut cluster = cluster(&view, || vec![korf::on_create::<ConfigMap>("create").run(optional)]);
    cluster.create(&map("m")).unwrap();
    assert_eq!(view.noted(), ["true no function fills `Index<u8, u8>`"]);
}

#[test]
fn the_objects_of_a_kind_that_is_removed_leave_the_index() {
    for with_turns in [false, true] {
        let view = View::default();
        let mut cluster = cluster(&view, move || indexing_and_turns(with_turns));
        cluster.create(&light("a", "red")).unwrap();
        assert_eq!(view.shown(), "red: a");
        cluster.server().remove_kind(&ApiResource::erase::<Light>(&()));
        cluster.advance(Duration::from_secs(120));
        assert_eq!(view.shown(), "", "with turns: {with_turns}");
        cluster.serve(ServedKind::of::<Light>());
        cluster.advance(Duration::from_secs(60));
        cluster.create(&light("b", "green")).unwrap();
        assert_eq!(view.shown(), "green: b", "with turns: {with_turns}");
    }
}

#[test]
fn the_objects_of_a_namespace_that_is_deleted_leave_the_index() {
    let view = View::default();
    let shared = view.clone();
    let make = move || {
        let operator = Operator::with_registry("lights", Registry::from_iter([indexing()]));
        operator.state(shared.clone()).namespaces(["team-*"])
    };
    let mut cluster = Cluster::of(make).unwrap();
    let namespace = |name: &str| Namespace {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    for (space, name) in [("team-b", "a"), ("team-a", "b")] {
        cluster.create(&namespace(space)).unwrap();
        let mut light = light(name, "red");
        light.metadata.namespace = Some(space.into());
        cluster.create(&light).unwrap();
    }
    cluster.advance(Duration::from_secs(10));
    assert_eq!(view.shown(), "red: b, a", "in the order of the namespaces");
    cluster.delete::<Namespace>("team-a").unwrap();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(view.shown(), "red: a");
}
