//! Handlers that fail and are tried again.

use crate::stage::{SEED_CR, Stage, eventually, manifest};
use database_table_operator::crd::DatabaseTable;
use korf::{Attempt, CancellationToken, Error, Operator, Registry, Result, State};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinHandle};

/// Where the handler says which attempt it is, and when.
type Attempts = mpsc::UnboundedSender<(u32, Instant)>;

const DELAY: Duration = Duration::from_millis(1500);

async fn flaky(attempt: Attempt, attempts: State<Attempts>) -> Result {
    let attempt = attempt.0;
    attempts.send((attempt, Instant::now())).unwrap();
    if attempt < 2 { Err(Error::temporary("not yet", DELAY)) } else { Ok(()) }
}

/// An operator within this process.
struct Embedded {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Embedded {
    async fn start(stage: &Stage<'_>, attempts: &Attempts) -> Self {
        let (stop, client) = (CancellationToken::new(), stage.cluster.control_plane.client().await.unwrap());
        let operator = Operator::with_registry("flaky", Registry::default())
            .handler(korf::on_create::<DatabaseTable>("flaky").run(flaky))
            .state(attempts.clone())
            .namespaces([&stage.namespace])
            .client(client);
        let running = operator.run_until(stop.clone());
        Self { stop, ended: tokio::spawn(async { running.await.unwrap() }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap();
    }
}

/// How many attempts are on record.
fn retries(object: &Value) -> Option<u64> {
    let record = object["metadata"]["annotations"]["flaky.korf.dev/flaky"].as_str()?;
    serde_json::from_str::<Value>(record).unwrap()["retries"].as_u64()
}

#[tokio::test]
async fn a_handler_that_fails_twice_goes_on_after_restarts_where_it_was_and_succeeds() {
    let stage = Stage::new("fails-twice").await;
    let (attempts, mut seen) = mpsc::unbounded_channel();
    stage.apply(SEED_CR);
    for failures in [1, 2] {
        let operator = Embedded::start(&stage, &attempts).await;
        let recorded = |object: &Value| retries(object) == Some(failures);
        stage.until("website-users", "the failure is recorded", recorded).await;
        operator.stop().await;
    }
    let operator = Embedded::start(&stage, &attempts).await;
    let handled = |object: &Value| {
        !object["metadata"]["annotations"]["flaky.korf.dev/last-handled-configuration"].is_null()
    };
    let object = stage.until("website-users", "it is handled", handled).await;
    operator.stop().await;
    assert_eq!(retries(&object), None, "no progress is left");
    drop(attempts);

    let mut all = Vec::new();
    while let Some(attempt) = seen.recv().await {
        all.push(attempt);
    }
    let (numbers, times): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert_eq!(numbers, [0, 1, 2]);
    // The delay counts from the end of the attempt, and is stored in microseconds.
    times.windows(2).for_each(|pair| assert!(pair[1] - pair[0] >= DELAY, "{times:?}"));
}

#[tokio::test]
async fn a_table_that_is_locked_is_tried_again_after_a_restart_until_it_succeeds() {
    let stage = Stage::new("locked").await;
    let lock = stage.lock_name("public.website_users").await;
    stage.apply(SEED_CR);
    for failures in [1, 2] {
        let mut operator = stage.operator().start();
        let line = operator.wait_for_line("Handler 'create_handler' failed").await;
        assert!(line.contains("failed with an exception and will try again in"), "{line}");
        assert_eq!(operator.terminate().await.code(), Some(0));
        let object = stage.table("website-users").await.unwrap();
        let record = object["metadata"]["annotations"]["kopf.zalando.org/create_handler"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(record).unwrap()["retries"], failures);
    }
    lock.release().await;
    let operator = stage.operator().start();
    stage.until_ready("website-users").await;
    operator.wait_for_line("Creation is processed: 1 succeeded; 0 failed.").await;
    assert_eq!(stage.columns("website_users").await.len(), 5);
}

#[tokio::test]
async fn one_object_that_fails_keeps_no_other_from_succeeding() {
    let stage = Stage::new("one-of-two-fails").await;
    let lock = stage.lock_name("public.bad").await;
    let operator = stage.operator().start();
    let both = ["bad", "good"].map(|name| manifest(name, name, &["id"])).join("\n---\n");
    stage.apply(&both);
    stage.until_ready("good").await;
    lock.awaited().await;
    let here =
        |name: &str, words: &str| format!("[{}/{name}] Handler 'create_handler' {words}", stage.namespace);
    operator.wait_for_line(&here("bad", "failed")).await;
    assert_eq!(stage.all_tables().await, ["good"]);

    lock.release().await;
    stage.until_ready("bad").await;
    eventually("both tables are there", async || stage.all_tables().await, |all| all == &["bad", "good"])
        .await;
    operator.wait_for_line(&here("bad", "succeeded.")).await;
    assert_eq!(operator.count(&here("good", "succeeded.")), 1);
    assert_eq!(operator.count(&here("good", "failed")), 0);
}
