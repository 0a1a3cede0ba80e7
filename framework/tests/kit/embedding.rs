//! Several operators in one program.

use crate::lights::{Light, light};
use korf::{
    Name, ObjectPatch, Operator, RunError, State, Trigger,
    handler::{Handler, Registry},
    on_cleanup, on_create, on_startup,
};
use korf_testing::api::{ApiServer, ServedKind};
use kube::{Api, api::PostParams};
use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::Instant,
};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

#[korf::on_create(Light, operator = "north")]
async fn northern() {}

#[korf::on_create(Light, operator = "south")]
async fn southern() {}

#[korf::on_create(Light)]
async fn everywhere() {}

#[korf::on_startup(operator = "north")]
async fn begin() {}

#[test]
fn an_operator_has_the_handlers_that_name_it_or_none() {
    let ids = |name: &str| {
        let operator = Operator::new(name);
        let handlers = operator.registry().handlers().iter().map(|handler| handler.id().to_owned());
        let activities = operator.registry().activities().iter().map(|activity| activity.id.clone());
        handlers.chain(activities).collect::<Vec<_>>()
    };
    assert_eq!(ids("north"), ["northern", "everywhere", "begin"]);
    assert_eq!(ids("south"), ["southern", "everywhere"]);
    assert_eq!(ids("west"), ["everywhere"]);
}

/// The objects that handlers were called for, each with the span that they were called in.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// An API server in memory, with these objects.
async fn server(names: &[&str]) -> ApiServer {
    let server = ApiServer::new();
    server.serve(ServedKind::with_definition::<Light>());
    let lights = Api::<Light>::default_namespaced(server.client("user"));
    for name in names {
        lights.create(&PostParams::default(), &light(name, "red")).await.unwrap();
    }
    server
}

fn operator(server: &ApiServer, name: &'static str, calls: &Calls) -> Operator {
    Operator::with_registry(name, Registry::default())
        .client(server.client(name))
        .state(calls.clone())
        .handler(on_create::<Light>("handle").run(async |name: Name, calls: State<Calls>| {
            calls.0.0.lock().unwrap().push(name.to_string());
        }))
}

#[tokio::test(start_paused = true)]
async fn each_of_two_operators_handles_all_and_one_that_ends_or_panics_leaves_the_other() {
    let server = server(&["a"]).await;
    let (one, other) = (Calls::default(), Calls::default());
    let first = operator(&server, "one", &one)
        .handler(on_create::<Light>("panics").run(async || -> korf::Result { panic!("oops") }))
        .spawn();
    let second = operator(&server, "other", &other).spawn();
    assert!(first.ready().await && second.ready().await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((one.all(), other.all()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    first.stop().await.unwrap();
    let lights = Api::<Light>::default_namespaced(server.client("user"));
    lights.create(&PostParams::default(), &light("b", "red")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((one.all().len(), other.all()), (1, vec!["a".to_owned(), "b".to_owned()]));
    second.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_ready_once_all_is_listed_and_one_that_cannot_start_never_is() {
    let server = server(&["a"]).await;
    let calls = Calls::default();
    let slow = on_startup("slow").run(async || tokio::time::sleep(Duration::from_secs(7)).await);
    let begun = Instant::now();
    let running = operator(&server, "one", &calls).activity(slow).spawn();
    assert!(running.ready().await);
    assert_eq!(begun.elapsed().as_secs(), 7);
    running.stop().await.unwrap();

    let fails = on_startup("fails").run(async || Err::<(), _>(korf::Error::permanent("no disk")));
    let mut running = operator(&server, "other", &calls).activity(fails).spawn();
    assert!(!running.ready().await);
    assert!(matches!(running.join().await, Err(RunError::Startup { .. })));
    assert!(running.join().await.is_ok() && running.stop().await.is_ok(), "its end is told once");
}

#[tokio::test(start_paused = true)]
async fn operators_are_watched_together_and_stopped_when_one_of_them_ends() {
    let server = server(&["a"]).await;
    let (said, mut heard) = unbounded_channel();
    let fails = on_startup("fails").run(async || {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Err::<(), _>(korf::Error::permanent("no disk"))
    });
    let end = on_cleanup("end").run(async move || Ok(said.send(())?));
    let mut first = operator(&server, "one", &Calls::default()).activity(end).spawn();
    let mut second = operator(&server, "other", &Calls::default()).activity(fails).spawn();
    for _ in 0..2 {
        tokio::select! {
            _ = first.join() => panic!("it goes on"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    let ended = tokio::select! {
        ended = first.join() => ended,
        ended = second.join() => ended,
    };
    assert!(matches!(ended, Err(RunError::Startup { .. })), "{ended:?}");
    assert!(heard.try_recv().is_err(), "the other one still runs");
    first.stop().await.unwrap();
    assert_eq!(heard.recv().await, Some(()), "it has stopped in good order");
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_not_started_with_a_handler_that_is_for_another_one() {
    let server = server(&[]).await;
    let handler = || on_create::<Light>("northern").operator("north").run(async || {});
    let activity = || on_startup("begin").operator("north").run(async || {});
    let given = [
        operator(&server, "south", &Calls::default()).handler(handler()),
        operator(&server, "south", &Calls::default()).activity(activity()),
    ];
    for operator in given {
        let error = operator.spawn().join().await.unwrap_err().to_string();
        let expected = "is for the operator `north`, but was given to `south`: leave out `.operator(…)`, or give it to the \
                        other one";
        assert!(error.ends_with(expected), "{error}");
    }
    let north = operator(&server, "north", &Calls::default()).handler(handler()).activity(activity()).spawn();
    assert!(north.ready().await);
    north.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_dropped_is_told_to_stop() {
    let server = server(&[]).await;
    let (said, mut heard) = unbounded_channel();
    let end = on_cleanup("end").run(async move || Ok(said.send(())?));
    let running = operator(&server, "one", &Calls::default()).activity(end).spawn();
    assert!(running.ready().await);
    drop(running);
    assert_eq!(heard.recv().await, Some(()));
}

/// A gate for threads, and what those tell that come to it.
#[derive(Clone)]
struct Gate(Arc<(Mutex<bool>, Condvar)>, UnboundedSender<&'static str>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Blocks the thread for the object "a".
    fn pass(&self, name: &Name) {
        if name.0 != "a" {
            return self.1.send("handled").unwrap();
        }
        self.1.send("blocks").unwrap();
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// Handlers of which one blocks its thread right after the operator's loop was woken, for one object: the other is handled.
async fn one_object_blocks_and_the_other_is_handled(handlers: impl IntoIterator<Item = Handler>) {
    let (server, (says, mut heard)) = (server(&[]).await, unbounded_channel());
    let gate = Gate(Arc::default(), says);
    let operator = Operator::with_registry("one", Registry::from_iter(handlers));
    let running = operator.client(server.client("one")).state(gate.clone()).spawn();
    assert!(running.ready().await);
    let lights = Api::<Light>::default_namespaced(server.client("user"));
    lights.create(&PostParams::default(), &light("a", "red")).await.unwrap();
    assert_eq!(heard.recv().await, Some("blocks"));
    lights.create(&PostParams::default(), &light("b", "red")).await.unwrap();
    let handled = tokio::time::timeout(Duration::from_secs(30), heard.recv()).await;
    gate.open();
    assert_eq!(handled.expect("the loop turns"), Some("handled"));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_handler_that_blocks_its_thread_leaves_the_other_objects() {
    one_object_blocks_and_the_other_is_handled([
        korf::daemon::<Light>("idle").run(async || std::future::pending::<()>().await),
        on_create::<Light>("block").run(async |name: Name, gate: State<Gate>| gate.pass(&name)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_asks_for_a_write_and_blocks_its_thread_leaves_the_other_objects() {
    let ask = async |patch: ObjectPatch, name: Name, gate: State<Gate>| {
        patch.annotation("asked", Some("yes"));
        gate.pass(&name);
    };
    one_object_blocks_and_the_other_is_handled([korf::daemon::<Light>("ask").run(ask)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_that_triggers_and_blocks_its_thread_leaves_the_other_objects() {
    let trigger = async |lights: Trigger<Light>, name: Name, gate: State<Gate>| {
        lights.trigger_all();
        gate.pass(&name);
    };
    one_object_blocks_and_the_other_is_handled([
        korf::daemon::<Light>("trigger").run(trigger),
        korf::on_resume::<Light>("again").run(async || {}),
    ])
    .await;
}

/// The spans of each event of a handler, from the outermost on.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "handler" {
            let scope = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
            let names: Vec<_> = scope.map(|span| span.name()).collect();
            self.0.lock().unwrap().push(names.join(" "));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_handlers_and_activities_log_is_in_the_span_of_their_operator() {
    let spans = Spans::default();
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let server = server(&["a"]).await;
    let running = operator(&server, "north", &Calls::default())
        .activity(on_startup("begin").run(async || tracing::info!(target: "handler", "begins")))
        .handler(on_create::<Light>("log").run(async || tracing::info!(target: "handler", "handles")))
        .activity(on_cleanup("end").run(async || tracing::info!(target: "handler", "ends")))
        .spawn();
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await.unwrap();
    assert_eq!(*spans.0.lock().unwrap(), ["operator", "operator object turn handler", "operator"]);
}
