//! Handlers that fail and are retried.

use crate::fixture::{Fixture, KOPF_DEMO_CR, eventually, manifest};
use database_table_operator::crd::DatabaseTable;
use korf::{Attempt, Error, Operator, Result, State, extract::CancellationToken, handler::Registry};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinHandle};

/// A channel to which the handler sends the number and the time of each attempt.
type Attempts = mpsc::UnboundedSender<(u32, Instant)>;

/// Long enough for the operator to be stopped within it.
const DELAY: Duration = Duration::from_secs(4);

async fn flaky(attempt: Attempt, attempts: State<Attempts>) -> Result {
    let attempt = attempt.0;
    attempts.send((attempt, Instant::now())).unwrap();
    if attempt < 2 { Err(Error::temporary("not yet", DELAY)) } else { Ok(()) }
}

/// An operator in this process.
struct InProcessOperator {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl InProcessOperator {
    async fn start(fixture: &Fixture<'_>, attempts: &Attempts) -> Self {
        let (stop, client) =
            (CancellationToken::new(), fixture.cluster.control_plane.client().await.unwrap());
        let operator = Operator::with_registry("flaky", Registry::default())
            .handler(korf::on_create::<DatabaseTable>("flaky").run(flaky))
            .state(attempts.clone())
            .namespaces([&fixture.namespace])
            .client(client);
        let running = operator.run_until(stop.clone());
        Self { stop, task: tokio::spawn(async { running.await.unwrap() }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// The number of attempts in the stored progress.
fn retries(object: &Value) -> Option<u64> {
    let record = object["metadata"]["annotations"]["flaky.korf.dev/flaky"].as_str()?;
    serde_json::from_str::<Value>(record).unwrap()["retries"].as_u64()
}

#[tokio::test]
async fn a_handler_that_fails_twice_keeps_its_progress_over_restarts_and_succeeds() {
    let fixture = Fixture::new("fails-twice").await;
    let (attempts, mut seen) = mpsc::unbounded_channel();
    fixture.apply(KOPF_DEMO_CR);
    for failures in [1, 2] {
        let operator = InProcessOperator::start(&fixture, &attempts).await;
        let is_stored = |object: &Value| retries(object) == Some(failures);
        fixture.until("website-users", "the failure is stored", is_stored).await;
        operator.stop().await;
    }
    let operator = InProcessOperator::start(&fixture, &attempts).await;
    let handled = |object: &Value| {
        !object["metadata"]["annotations"]["flaky.korf.dev/last-handled-configuration"].is_null()
    };
    let object = fixture.until("website-users", "it is handled", handled).await;
    operator.stop().await;
    assert_eq!(retries(&object), None, "no progress is left");
    drop(attempts);

    let mut all = Vec::new();
    while let Some(attempt) = seen.recv().await {
        all.push(attempt);
    }
    let (numbers, times): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert_eq!(numbers, [0, 1, 2]);
    // The delay begins at the end of the attempt, and is stored in microseconds of the wall clock, which may be slewed meanwhile.
    let least = DELAY - Duration::from_millis(10);
    times.windows(2).for_each(|pair| assert!(pair[1] - pair[0] >= least, "{times:?}"));
}

#[tokio::test]
async fn a_locked_table_is_retried_over_restarts_until_it_succeeds() {
    let fixture = Fixture::new("locked").await;
    let lock = fixture.lock_name("public.website_users").await;
    fixture.apply(KOPF_DEMO_CR);
    for failures in [1, 2] {
        let mut operator = fixture.operator().start();
        let line = operator.wait_for_line("Handler 'create_handler' failed").await;
        assert!(line.contains("failed with an exception and will try again in"), "{line}");
        assert_eq!(operator.terminate().await.code(), Some(0));
        let object = fixture.table("website-users").await.unwrap();
        let record = object["metadata"]["annotations"]["kopf.zalando.org/create_handler"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(record).unwrap()["retries"], failures);
    }
    lock.release().await;
    let operator = fixture.operator().start();
    fixture.until_ready("website-users").await;
    operator.wait_for_line("Creation is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(fixture.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn a_failing_object_does_not_block_another_one() {
    let fixture = Fixture::new("one-of-two-fails").await;
    let lock = fixture.lock_name("public.bad").await;
    let operator = fixture.operator().start();
    let both = ["bad", "good"].map(|name| manifest(name, name, &["id"])).join("\n---\n");
    fixture.apply(&both);
    fixture.until_ready("good").await;
    lock.until_blocking().await;
    let line =
        |name: &str, end: &str| format!("[{}/{name}] Handler 'create_handler' {end}", fixture.namespace);
    operator.wait_for_line(&line("bad", "failed")).await;
    assert_eq!(fixture.all_tables().await, ["good"]);

    lock.release().await;
    fixture.until_ready("bad").await;
    eventually("both tables exist", async || fixture.all_tables().await, |all| all == &["bad", "good"]).await;
    operator.wait_for_line(&line("bad", "succeeded.")).await;
    operator.assert_lines(&line("good", "succeeded."), 1).await;
    assert_eq!(operator.count_lines(&line("good", "failed")), 0);
}
