//! Operator with two timers, a daemon and a place in an index for each object: it prints once a second what it has.
//!
//! `NAMESPACE` says where, and may be a pattern.

use korf::{Operator, prelude::*};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{runtime::Handle, time};

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "bench.korf.dev", version = "v1", kind = "Hour", namespaced)]
struct HourSpec {
    group: u32,
}

static TICKS: AtomicUsize = AtomicUsize::new(0);
static DAEMONS: AtomicUsize = AtomicUsize::new(0);
static INDEXED: AtomicUsize = AtomicUsize::new(0);

#[korf::on_create(Hour)]
async fn created() {}

#[korf::index(Hour)]
fn groups(hour: Object<Hour>, namespace: ObjectNamespace, name: Name) -> (String, u32) {
    (format!("{namespace}/{name}"), hour.spec.group)
}

#[korf::timer(Hour, interval = 6s)]
async fn often() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

#[korf::timer(Hour, interval = 12s)]
async fn seldom(index: Index<String, u32>) {
    TICKS.fetch_add(1, Ordering::Relaxed);
    INDEXED.store(index.len(), Ordering::Relaxed);
}

/// Counts a daemon for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        DAEMONS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        DAEMONS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[korf::daemon(Hour)]
async fn beside(stopped: Stopped) {
    let _counted = Counted::new();
    stopped.wait().await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).init();
    tokio::spawn(async {
        let mut seconds = time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            let [daemons, indexed, ticks] =
                [&DAEMONS, &INDEXED, &TICKS].map(|number| number.load(Ordering::Relaxed));
            println!("state {} {daemons} {indexed} {ticks}", Handle::current().metrics().num_alive_tasks());
        }
    });
    Ok(Operator::new("hour").namespaces([env::var("NAMESPACE")?]).run().await?)
}
