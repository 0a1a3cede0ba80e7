//! Health: what an operator answers while the API server, its own work and the time go on.

use crate::lights::{House, Light, cluster, cluster_of, flickering, light, paint};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use korf::{Error, Operator, RunError, State, handler::Registry, on_probe};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request, ServedKind},
};
use kube::core::ApiResource;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// An API server that answers some requests of the operator with a fault.
struct Failing(Fault, fn(&Request) -> bool);

impl Faults for Failing {
    fn request(&mut self, request: &Request) -> Delivery {
        let is_its = request.client == "operator" && self.1(request);
        if is_its { Delivery::before(self.0) } else { Delivery::pass() }
    }
}

fn all(_: &Request) -> bool {
    true
}

/// The status codes of `/livez` and `/readyz`.
fn codes(cluster: &Cluster) -> (u16, u16) {
    (cluster.health("/livez").0, cluster.health("/readyz").0)
}

/// An operator with one light, whose watch is broken and can't be opened again.
fn without(fault: Fault, requests: fn(&Request) -> bool) -> Cluster {
    let mut cluster = cluster(&House::default());
    cluster.create(&light("a", "red")).unwrap();
    cluster.set_faults(Failing(fault, requests));
    cluster.server().break_watches();
    cluster
}

#[test]
fn an_operator_with_nothing_to_do_stays_alive_and_ready() {
    let mut cluster = cluster(&House::default());
    for _ in 0..180 {
        cluster.advance(20 * SECOND);
        assert_eq!(codes(&cluster), (200, 200));
    }
    assert_eq!(cluster.health("/livez"), (200, "ok".to_owned()));
    let all = "[+]start-up ok\n[+]listed ok\n[+]loop ok\n[+]watches ok\n[+]writes ok\n[+]shutdown ok\nreadyz check passed\n";
    assert_eq!(cluster.health("/readyz?verbose"), (200, all.to_owned()));
}

#[test]
fn without_the_api_server_it_is_soon_unready_and_a_restart_is_tried_after_ten_minutes() {
    for fault in [Fault::Reset, Fault::Rejected(503), Fault::Silence] {
        let mut cluster = without(fault, all);
        assert_eq!(codes(&cluster), (200, 200), "{fault:?}: that may be nothing");
        // Silence is noticed when the client gives up.
        cluster.advance(if fault == Fault::Silence { 2 * MINUTE } else { 13 * SECOND });
        assert_eq!(codes(&cluster), (200, 500), "{fault:?}");
        let (_, why) = cluster.health("/readyz");
        assert!(why.starts_with("[-]watches failed: failing: lights.v1.korf.dev for "), "{why}");
        cluster.advance(if fault == Fault::Silence { 7 * MINUTE } else { 9 * MINUTE });
        assert_eq!(codes(&cluster), (200, 500), "{fault:?}, before ten minutes");
        cluster.advance(2 * MINUTE);
        assert_eq!(codes(&cluster), (500, 500), "{fault:?}, after ten minutes");
        let (_, why) = cluster.health("/livez");
        let begin = "[-]watches failed: no contact to the API server: lights.v1.korf.dev for 6";
        assert!(why.starts_with(begin), "{why}");

        cluster.set_faults(());
        cluster.advance(3 * MINUTE);
        assert_eq!(codes(&cluster), (200, 200), "{fault:?}, after its return");
    }
}

#[test]
fn rejected_credentials_are_no_contact() {
    let mut cluster = without(Fault::Rejected(401), all);
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 500));
    cluster.advance(10 * MINUTE);
    assert_eq!(codes(&cluster), (500, 500));
}

#[test]
fn a_missing_permission_is_nothing_that_a_restart_helps_against() {
    let mut cluster = without(Fault::Rejected(403), |request| !request.is_write());
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 500));
    cluster.advance(60 * MINUTE);
    assert_eq!(codes(&cluster), (200, 500));
}

#[test]
fn a_permission_that_is_missing_from_the_start_is_no_different() {
    for path in ["/apis/korf.dev/v1", "/apis/korf.dev/v1/lights"] {
        let mut cluster = cluster(&House::default());
        cluster.stop().unwrap();
        cluster.set_faults(Forbidden(path));
        cluster.start().unwrap();
        cluster.advance(60 * MINUTE);
        assert_eq!(cluster.health("/livez"), (200, "ok".to_owned()), "{path}");
        assert_eq!(cluster.health("/readyz").0, 500, "{path}");
    }
}

/// An API server that doesn't allow requests to this path.
struct Forbidden(&'static str);

impl Faults for Forbidden {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.path == self.0 { Delivery::before(Fault::Rejected(403)) } else { Delivery::pass() }
    }
}

#[test]
fn a_watch_that_the_api_server_fails_on_is_nothing_that_a_restart_of_all_others_helps_against() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["default", "b"]));
    let of_b = |request: &Request| request.path.contains("/namespaces/b/");
    cluster.set_faults(Failing(Fault::Rejected(503), of_b));
    cluster.server().break_watches();
    cluster.advance(60 * MINUTE);
    assert_eq!(cluster.health("/livez"), (200, "ok".to_owned()));
    let (code, why) = cluster.health("/readyz");
    assert_eq!(code, 500);
    let begin = "[-]watches failed: failing: lights.v1.korf.dev in namespace \"b\" for 3";
    assert!(why.starts_with(begin), "{why}");
}

#[test]
fn an_operator_that_cant_write_is_not_ready_until_something_is_written() {
    let mut cluster = cluster(&House::default());
    cluster.set_faults(Failing(Fault::Rejected(503), Request::is_write));
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(codes(&cluster), (200, 200));
    cluster.advance(11 * SECOND);
    assert_eq!(codes(&cluster), (200, 500));
    assert_eq!(cluster.health("/readyz").1, "[-]writes failed: failing: lights.v1.korf.dev for 11 seconds\n");
    cluster.advance(60 * MINUTE);
    assert_eq!(codes(&cluster), (200, 500), "it is tried again and again");
    cluster.set_faults(());
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 200));
}

#[test]
fn an_object_that_is_rejected_says_nothing_about_others() {
    let mut cluster = cluster(&House::default());
    cluster.set_faults(Failing(Fault::Rejected(422), Request::is_write));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(10 * MINUTE);
    assert_eq!(codes(&cluster), (200, 200));
}

#[test]
fn failed_writes_of_an_object_that_is_gone_are_forgotten() {
    let mut cluster = cluster(&House::default());
    cluster.set_faults(Failing(Fault::Rejected(503), Request::is_write));
    cluster.create(&light("a", "red")).unwrap();
    cluster.advance(MINUTE);
    cluster.delete::<Light>("a").unwrap();
    assert_eq!(codes(&cluster), (200, 500), "nobody knows better");
    cluster.set_faults(());
    cluster.advance(11 * MINUTE);
    assert_eq!(codes(&cluster), (200, 200));
}

#[test]
fn an_operator_that_waits_for_a_crd_is_not_ready_and_names_it() {
    let mut cluster = cluster(&House::default());
    let kind = ApiResource::erase::<Light>(&());
    cluster.stop().unwrap();
    cluster.server().remove_kind(&kind);
    cluster.start().unwrap();
    cluster.advance(60 * MINUTE);
    assert_eq!(cluster.health("/livez"), (200, "ok".to_owned()));
    let why = "[-]listed failed: the API server doesn't know: lights.v1.korf.dev\n";
    assert_eq!(cluster.health("/readyz"), (500, why.to_owned()));
    cluster.serve(ServedKind::with_definition::<Light>());
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 200));

    cluster.server().remove_kind(&kind);
    cluster.advance(60 * MINUTE);
    assert_eq!(cluster.health("/livez"), (200, "ok".to_owned()));
    let why = "[-]watches failed: the API server no longer knows: lights.v1.korf.dev\n";
    assert_eq!(cluster.health("/readyz"), (500, why.to_owned()));
    cluster.serve(ServedKind::with_definition::<Light>());
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 200));
}

#[test]
fn namespaces_that_come_and_go_leave_nothing_that_is_missed() {
    let mut cluster = cluster_of(&House::default(), |operator| operator.namespaces(["team-*"]));
    let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    assert_eq!(codes(&cluster), (200, 200), "there is nothing to be handled");
    cluster.create(&Namespace { metadata: named("team-a"), ..Namespace::default() }).unwrap();
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 200));
    cluster.delete::<Namespace>("team-a").unwrap();
    cluster.advance(60 * MINUTE);
    assert_eq!(codes(&cluster), (200, 200));

    let of_namespaces = |request: &Request| request.path == "/api/v1/namespaces";
    cluster.set_faults(Failing(Fault::Rejected(403), of_namespaces));
    cluster.server().break_watches();
    cluster.advance(MINUTE);
    assert_eq!(codes(&cluster), (200, 500));
    let (_, why) = cluster.health("/readyz");
    assert!(why.starts_with("[-]watches failed: failing: namespaces.v1 for "), "{why}");
}

#[test]
fn a_handler_that_hangs_or_fails_changes_nothing() {
    let house = House::default();
    let mut failing = cluster(&house);
    failing.create(&flickering("a", "red", 1000)).unwrap();
    async fn hang() {
        std::future::pending::<()>().await;
    }
    let handlers = || Registry::from_iter([korf::on_create::<Light>("hang").run(hang)]);
    let mut hanging = Cluster::of(move || Operator::with_registry("lights", handlers())).unwrap();
    hanging.create(&light("a", "red")).unwrap();
    for cluster in [&mut failing, &mut hanging] {
        cluster.advance(60 * MINUTE);
        assert_eq!(codes(cluster), (200, 200));
    }
}

#[test]
fn an_operator_that_stops_is_alive_and_not_ready_while_a_handler_finishes() {
    async fn slow(house: State<House>) {
        house.switch_on("begun", "red").await;
        tokio::time::sleep(20 * SECOND).await;
        house.switch_on("done", "red").await;
    }
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.stop().unwrap();
    cluster.create(&light("a", "red")).unwrap();
    let handlers = Registry::from_iter([korf::on_create::<Light>("slow").run(slow)]);
    let operator = Operator::with_registry("slow", handlers).state(house.clone()).client(cluster.client());
    let (health, stop) = (operator.known_health(), CancellationToken::new());
    let codes = || (health.live().has_passed(), health.ready().has_passed());
    cluster.run(async {
        let running = tokio::spawn(operator.run_until(stop.clone()));
        tokio::time::sleep(SECOND).await;
        assert_eq!((codes(), house.touched("begun")), ((true, true), 1));
        stop.cancel();
        assert_eq!(codes(), (true, false), "at once");
        tokio::time::sleep(18 * SECOND).await;
        assert_eq!((codes(), house.touched("done")), ((true, false), 0));
        running.await.unwrap().unwrap();
        assert_eq!(house.touched("done"), 1);
    });
}

#[test]
fn the_liveness_endpoint_has_what_probes_return_and_fails_with_one_of_them() {
    let probe = |works: bool| async move || if works { Ok(7) } else { Err(Error::new("no route")) };
    for (works, expected) in
        [(true, (200, r#"{"count":7}"#)), (false, (500, r#"{"count":{"error":"no route"}}"#))]
    {
        let operator =
            move || crate::lights::operator(&House::default()).activity(on_probe("count").run(probe(works)));
        let cluster = Cluster::of(operator).unwrap();
        assert_eq!(cluster.health("/healthz"), (expected.0, expected.1.to_owned()));
        assert_eq!(codes(&cluster), (200, 200), "probes are asked for nothing else");
    }
}

#[tokio::test]
async fn two_addresses_that_take_each_others_port_are_named_with_the_remedy() {
    // It is noticed before anything listens there.
    let taken = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let all = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), taken.port());
    let operator = crate::lights::operator(&House::default()).health(all).liveness(taken, "/healthz");
    let error = operator.run_until(CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, RunError::HealthTwice(addresses) if addresses == [all, taken]), "{error}");
    assert!(error.to_string().ends_with("the same address, or other ports"), "{error}");
}

#[test]
fn changes_are_handled_as_ever_while_health_is_asked() {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(codes(&cluster), (200, 200));
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    assert_eq!(house.colors()["a"], "blue");
    assert_eq!(cluster.health("/healthz"), (200, "{}".to_owned()));
    assert_eq!(cluster.health("/debug").0, 404);
}
