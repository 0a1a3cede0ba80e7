//! Health: what an operator answers while its API server, its handlers and its threads fail.

use crate::fixture::{
    Cluster, Crd, Fixture, KOPF_DEMO_CR, LIMIT, OperatorProcess, Permission, eventually, eventually_within,
};
use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Operator, extract::CancellationToken, handler::Registry, observe::Observation, on_create};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{
    collections::BTreeSet,
    net::TcpListener,
    sync::{Condvar, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Builder;

/// The health of an operator, as the kubelet asks for it.
pub struct Health {
    agent: ureq::Agent,
    url: String,
}

impl Health {
    fn at(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(5))).build().into();
        Self { agent, url: url.to_owned() }
    }

    /// That of an operator with `--health-addr 127.0.0.1:0`.
    pub async fn of(operator: &OperatorProcess) -> Self {
        let line = operator.wait_for_line("Serving health status at http://").await;
        let (_, url) = line.split_once("Serving health status at ").unwrap();
        Self::at(url.split_once(": /").unwrap().0)
    }

    pub fn ask(&self, path: &str) -> (u16, String) {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The status codes of `/livez` and `/readyz`.
    fn codes(&self) -> (u16, u16) {
        (self.ask("/livez").0, self.ask("/readyz").0)
    }

    /// Waits for these status codes.
    async fn until(&self, livez: u16, readyz: u16) {
        let what = format!("/livez answers {livez}, and /readyz {readyz}");
        eventually(&what, async || self.codes(), |codes| *codes == (livez, readyz)).await;
    }
}

#[tokio::test]
async fn without_the_api_server_an_operator_is_not_ready_and_a_restart_is_tried_late() {
    let cluster = Cluster::start(Crd::KopfDemo).await;
    let fixture = Fixture::on(&cluster, "health-away").await;
    let operator = fixture
        .operator()
        .arg("--health-addr=127.0.0.1:0")
        // Contact once a second while all is well. The longer the server is away, the more seldom it is asked.
        .arg("--set=watching.server_timeout=1s")
        .arg("--set=watching.silence=5s")
        .arg("--set=watching.discovery_interval=1s")
        .arg("--set=health.patience=1s")
        .arg("--set=health.contact_limit=15s")
        .start();
    let health = Health::of(&operator).await;
    health.until(200, 200).await;

    // It asks for its namespace until there is an answer, and a server that has just started denies what its cache doesn't grant yet.
    let its_own =
        |used: &Permission| used.resource == "namespaces" && used.name.as_ref() == Some(&fixture.namespace);
    let is_found = |used: &BTreeSet<Permission>| used.iter().any(its_own);
    eventually("its namespace is found", async || fixture.used(), is_found).await;

    // The stop itself takes seconds on a busy machine, and the last contact may be as old.
    let stopped = Instant::now();
    cluster.control_plane.stop_api_server().await.unwrap();
    health.until(200, 500).await;
    let (_, why) = health.ask("/readyz");
    assert!(why.starts_with("[-]watches failed: failing: databasetables.v1.kopf.demo in namespace"), "{why}");
    health.until(500, 500).await;
    // By silence and patience, it would be six seconds after the last contact, which may be the end of the stop.
    assert!(stopped.elapsed() > Duration::from_secs(12), "{:?}", stopped.elapsed());
    let (_, why) = health.ask("/livez");
    assert!(why.starts_with("[-]watches failed: no contact to the API server: databasetables"), "{why}");

    cluster.control_plane.start_api_server().await.unwrap();
    // To the first watches after its start, the server is too busy (503, then 429); they are tried every few seconds.
    let limit = Duration::from_secs(60);
    let codes = async || health.codes();
    eventually_within(limit, "the operator is ready again", codes, |codes| *codes == (200, 200)).await;
}

/// No error comes from a network that falls silent.
#[tokio::test]
async fn a_silent_network_is_noticed() {
    let fixture = Fixture::new("health-silent").await;
    let proxy = fixture.api_proxy().await;
    let operator = fixture
        .operator()
        .kubeconfig_through(&proxy)
        .arg("--health-addr=127.0.0.1:0")
        .arg("--set=watching.server_timeout=2s")
        .arg("--set=watching.silence=4s")
        .arg("--set=watching.discovery_interval=1s")
        .arg("--set=health.patience=1s")
        .arg("--set=health.contact_limit=12s")
        .start();
    let health = Health::of(&operator).await;
    health.until(200, 200).await;
    proxy.stall();
    health.until(200, 500).await;
    health.until(500, 500).await;
    proxy.restore();
    health.until(200, 200).await;
}

#[tokio::test]
async fn a_handler_that_hangs_changes_nothing_and_after_sigterm_the_operator_is_alive_until_it_has_ended() {
    let fixture = Fixture::new("health-hangs").await;
    let lock = fixture.lock_name("public.website_users").await;
    let command = fixture.operator().arg("--health-addr=127.0.0.1:0");
    let mut operator = command.arg("--liveness=http://127.0.0.1:0/healthz").start();
    let health = Health::of(&operator).await;
    health.until(200, 200).await;
    fixture.apply(KOPF_DEMO_CR);
    lock.until_blocking().await;
    assert_eq!(health.codes(), (200, 200));
    assert_eq!(health.ask("/healthz"), (200, "{}".to_owned()), "it has no probes");

    operator.sigterm();
    operator.wait_for_line("Waiting up to 25 seconds for 1 running handler(s) to finish.").await;
    assert_eq!(health.ask("/livez"), (200, "ok".to_owned()));
    assert_eq!(health.ask("/readyz"), (500, "[-]shutdown failed: the operator stops\n".to_owned()));
    lock.release().await;
    assert_eq!(operator.wait().await.code(), Some(0));
}

/// Whether the handlers of the next test block, each its thread.
static BLOCKS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

async fn block() {
    drop(BLOCKS.1.wait_while(BLOCKS.0.lock().unwrap(), |blocks| *blocks).unwrap());
}

/// Runs an operator whose handlers block, on two threads, until it is told to stop.
fn run_blocking(
    client: impl Future<Output = Client>,
    namespace: &str,
    url: &mpsc::Sender<String>,
    stop: CancellationToken,
) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let handlers = Registry::from_iter([on_create::<ConfigMap>("block").run(block)]);
        let url = url.clone();
        let mut operator = Operator::with_registry("blocking", handlers)
            .client(client.await)
            .namespaces([namespace])
            .health(([127, 0, 0, 1], 0).into())
            .observe(move |observation| {
                if let Observation::HealthServed { address, .. } = observation {
                    url.send(format!("http://{address}")).unwrap();
                }
            });
        operator.settings_mut().health.turn_limit = Duration::from_secs(2);
        operator.run_until(stop).await.unwrap();
    });
}

#[tokio::test]
async fn an_operator_whose_threads_are_all_blocked_says_that_it_is_not_alive() {
    let fixture = Fixture::new("health-blocked").await;
    let control_plane = &fixture.cluster.control_plane;
    let maps = Api::<ConfigMap>::namespaced(control_plane.client().await.unwrap(), &fixture.namespace);
    let (stop, (send, url)) = (CancellationToken::new(), mpsc::channel());
    // A scope would have to be left within this test's runtime.
    let (until, namespace) = (stop.clone(), fixture.namespace.clone());
    let operator = thread::spawn(move || {
        run_blocking(async { control_plane.client().await.unwrap() }, &namespace, &send, until);
    });
    let health = Health::at(&url.recv_timeout(LIMIT).unwrap());
    health.until(200, 200).await;

    *BLOCKS.0.lock().unwrap() = true;
    for number in 0..8 {
        let metadata = ObjectMeta { name: Some(format!("map-{number}")), ..ObjectMeta::default() };
        maps.create(&PostParams::default(), &ConfigMap { metadata, ..ConfigMap::default() }).await.unwrap();
    }
    health.until(500, 500).await;
    let (_, why) = health.ask("/livez");
    assert!(why.starts_with("[-]loop failed: it has not turned for "), "{why}");
    *BLOCKS.0.lock().unwrap() = false;
    BLOCKS.1.notify_all();
    health.until(200, 200).await;
    stop.cancel();
    operator.join().unwrap();
}

#[tokio::test]
async fn health_that_cant_be_served_ends_the_operator_with_one_line() {
    let fixture = Fixture::new("health-taken").await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (address, taken)).unwrap();
    let in_use = format!(
        "the operator's health can't be served at {}: Address already in use (os error 98). Something else listens there: \
         give another port",
        taken.0
    );
    let address = taken.0.to_string();
    for (arguments, code, expected) in [
        (vec!["--health-addr", &address], 1, in_use.as_str()),
        (vec!["--liveness", &format!("http://{address}/healthz")], 1, &in_use),
        (vec!["--metrics-addr", &address], 1, &in_use.replace("health", "metrics")),
        (
            vec!["--health-addr", "192.0.2.1:8080"],
            1,
            "This machine has no such address: 0.0.0.0 stands for all that it has",
        ),
        (vec!["--health-addr", "8080"], 2, "expected an IP address and a port: 0.0.0.0:8080"),
        (vec!["--liveness", "https://0.0.0.0:8080/healthz"], 2, "expected http://, not https://"),
        (vec!["--liveness", "http://0.0.0.0/healthz"], 2, "the URL has no port"),
    ] {
        let command = fixture.operator().not_verbose();
        let mut operator = arguments.iter().fold(command, |command, argument| command.arg(argument)).start();
        assert_eq!(operator.wait().await.code(), Some(code), "{arguments:?}");
        assert_eq!(operator.count_lines(expected), 1, "{arguments:?}: {:#?}", operator.lines());
    }
}
