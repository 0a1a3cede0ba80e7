//! Event handlers of any kind, on all kinds of a real API server.

use crate::fixture::{Cluster, Crd, Fixture, eventually, manifest};
use korf::{AnyKind, Name, Operator, State, extract::WatchEventType, handler::Registry, on_event};
use kube::core::ApiResource;
use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// What the handler has seen, in its order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

async fn any(resource: ApiResource, name: Name, event: WatchEventType, seen: State<Seen>) {
    tracing::info!("{event:?}");
    seen.0.0.lock().unwrap().push(format!("{}.{}/{name} {event:?}", resource.plural, resource.api_version));
}

/// All that is logged on one thread, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with("h2")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, fields: &span::Record<'_>) {
        fields.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{field}: {value:?}").unwrap();
    }
}

#[tokio::test]
async fn a_handler_of_any_kind_sees_all_kinds_and_those_that_come_and_logs_and_writes_nothing_of_them() {
    let cluster = Cluster::without_crd().await;
    let fixture = Fixture::on(&cluster, "any-kind").await;
    let (seen, log) = (Seen::default(), Log::default());
    let _logging = tracing::subscriber::set_default(log.clone());
    // With one subscriber alone, a place in the code that another test's thread comes to first would be silent on all of them.
    let _other = tracing::Dispatch::new(Log::default());
    let operator = Operator::with_registry("any", Registry::from_iter([on_event::<AnyKind>("any").run(any)]))
        .client(cluster.control_plane.client().await.unwrap())
        .state(seen.clone())
        .spawn();
    assert!(operator.ready().await);
    let until = async |what: &str| {
        let all = async || seen.0.lock().unwrap().clone();
        eventually(what, all, |all| all.iter().any(|seen| seen == what)).await;
    };
    until("namespaces.v1/any-kind Listed").await;
    // It is ready before the kinds that it finds are listed: what comes before that is `Listed`, too.
    for kind in ["configmaps.v1", "secrets.v1"] {
        let lines = async || log.0.lock().unwrap().clone();
        let line = format!("Watching {kind} in the whole cluster");
        eventually(&line, lines, |lines| lines.contains(&line)).await;
    }

    fixture.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}");
    fixture.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\nstringData: {password: Geheim42}");
    until("configmaps.v1/map Added").await;
    until("secrets.v1/secret Added").await;
    fixture.install(Crd::KopfDemo.manifest());
    until("customresourcedefinitions.apiextensions.k8s.io/v1/databasetables.kopf.demo Added").await;
    fixture.apply(&manifest("early", "early", &["id"]));
    let all = async || seen.0.lock().unwrap().clone();
    let is_early = |seen: &String| seen.starts_with("databasetables.kopf.demo/v1/early ");
    eventually("the early one", all, |all| all.iter().any(is_early)).await;
    fixture.apply(&manifest("late", "late", &["id"]));
    until("databasetables.kopf.demo/v1/late Added").await;
    let deleted = fixture.kubectl().args(["delete", "configmap/map", "secret/secret"]).status().unwrap();
    assert!(deleted.success());
    until("configmaps.v1/map Deleted").await;
    until("secrets.v1/secret Deleted").await;

    let written = fixture.kubectl_get(&["databasetables,configmaps", "--output=yaml"]);
    assert!(!written.contains("korf.dev"), "{written}");
    operator.stop().await.unwrap();
    let all = seen.0.lock().unwrap().clone();
    let times = |what: &str| all.iter().filter(|seen| *seen == what).count();
    assert_eq!((times("secrets.v1/secret Added"), times("secrets.v1/secret Deleted")), (1, 1));
    assert!(!all.iter().any(|seen| seen.starts_with("events.")), "{all:#?}");
    let log = log.0.lock().unwrap();
    assert!(log.contains("Watching secrets.v1 in the whole cluster"), "{log}");
    assert!(!log.contains("Geheim42") && !log.contains("R2VoZWltND"), "the Secret's data is in the log");
}
