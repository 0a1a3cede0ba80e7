//! Shares: what each of four replicas receives and computes, where the API server sends it its share alone, and where it doesn't.

use super::{
    CRD, Error,
    contender::Contender,
    install,
    process::Process,
    report::{Table, at, float, goal_cell, ratio_cell},
    stage::Stage,
};
use futures::{StreamExt, TryStreamExt, stream};
use korf_sandbox::{ControlPlane, Postgres, Proxy, Sandbox};
use std::{fs, path::PathBuf, process::Command, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The objects, all handled before.
const OBJECTS: usize = 20_000;
/// As many as there are shards.
const REPLICAS: usize = 4;
/// How long objects change, and how many do each second.
const LENGTH: Duration = Duration::from_secs(60);
const CHANGES: usize = 50;
/// How many changes are asked for at once, at most.
const REQUESTS: usize = 16;
/// How long replicas do nothing when they are at rest.
const QUIET: Duration = Duration::from_secs(3);
/// How long the replicas may take to share the objects, and to come to rest.
const REST: Duration = Duration::from_secs(300);
/// The ratio that this project aims at.
const GOAL: f64 = 0.3;

/// Measures both.
pub async fn run() -> Result<String, Error> {
    let whole = measure(false).await?;
    let shares = measure(true).await?;
    let mut table = Table::new(["each replica", "gate off", "gate on", "ratio", "goal"]);
    for (name, part) in Cost::PARTS {
        let [all, own] = [&whole, &shares].map(|costs| costs.iter().map(part).collect::<Vec<_>>());
        let ratio = Some(mean(&own) / mean(&all));
        let goal = name.starts_with("together").then_some(GOAL);
        table.add([name, &cell(&all), &cell(&own), &ratio_cell(ratio), &goal_cell(ratio, goal)]);
    }
    Ok(format!(
        "{OBJECTS} objects, {REPLICAS} shards, {REPLICAS} replicas that start at once; then {} s with {CHANGES} changes a second, \
         each of which is handled, by handlers that do nothing. Means of the replicas, with the lowest and the highest; bytes are \
         TLS, as a proxy before the API server counts them.\n\n{}",
        LENGTH.as_secs(),
        table.0
    ))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

fn cell(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2} to {:.2})", mean(values), at(&sorted, 0.0), at(&sorted, 1.0))
}

/// What one replica has taken, until it is at rest after its start, and then while objects change.
#[derive(Clone, Copy, Debug)]
struct Cost {
    start: Taken,
    all: Taken,
}

/// What a part of the table is called, and what it is.
type Part = (&'static str, fn(&Cost) -> f64);

impl Cost {
    const PARTS: [Part; 6] = [
        ("start: MiB received", |cost| cost.start.received),
        ("… CPU seconds", |cost| cost.start.cpu),
        ("changes: MiB received", |cost| cost.all.received - cost.start.received),
        ("… CPU seconds", |cost| cost.all.cpu - cost.start.cpu),
        ("together: MiB received", |cost| cost.all.received),
        ("together: CPU seconds", |cost| cost.all.cpu),
    ];
}

/// What a replica has taken until now.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// In MiB.
    received: f64,
    cpu: f64,
}

/// A replica, with a way of its own to the API server.
struct Replica {
    process: Process,
    proxy: Proxy,
    log: PathBuf,
}

impl Replica {
    async fn start(sandbox: &Sandbox, stage: &Stage, number: usize) -> Result<Self, Error> {
        let proxy = Proxy::to(sandbox.control_plane.api_server_address()).await?;
        let mut place = stage.place().clone();
        place.kubeconfig = sandbox.control_plane.kubeconfig_through(proxy.address())?;
        place.log.set_extension(format!("{number}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_share"));
        place.prepare(&mut command)?;
        Ok(Self { process: Process::start(&mut command)?, proxy, log: place.log })
    }

    fn taken(&self) -> Taken {
        #[expect(clippy::cast_precision_loss, reason = "gigabytes at most")]
        let received = self.proxy.sent_by_server() as f64 / 1_048_576.0;
        Taken { received, cpu: self.process.cpu().as_secs_f64() }
    }

    /// The last of what it has printed about something.
    fn printed(&self, about: &str) -> Result<Option<String>, Error> {
        let log = fs::read_to_string(&self.log)?;
        Ok(log.lines().rev().find_map(|line| line.strip_prefix(about)).map(|rest| rest.trim().to_owned()))
    }

    /// Waits until it has an even share, and nothing to do.
    async fn settled(&self, helped: bool) -> Result<(), Error> {
        let share = Some(format!("1 {REPLICAS}"));
        let wait = async {
            while self.printed("settled ")? != share || self.printed("helped ")? != Some(helped.to_string()) {
                sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        let late = |_| format!("a replica doesn't get its share: see {}", self.log.display());
        timeout(REST, wait).await.map_err(late)?
    }
}

async fn measure(helped: bool) -> Result<Vec<Cost>, Error> {
    eprintln!(
        "{REPLICAS} replicas, and an API server that {}",
        if helped { "sends shares" } else { "sends all" }
    );
    let gate = format!("ShardedListAndWatch={helped}");
    let control_plane = ControlPlane::start_with_features(&gate);
    let (control_plane, postgres) = tokio::try_join!(control_plane, Postgres::start())?;
    let sandbox = Sandbox { control_plane, postgres };
    install(&sandbox, CRD, &["databasetables.kopf.demo".to_owned()])?;
    let stage = Stage::new(&sandbox, Contender::Korf, 0).await?;
    stage.make_handled(OBJECTS).await?;
    let mut replicas = Vec::new();
    for number in 0..REPLICAS {
        replicas.push(Replica::start(&sandbox, &stage, number).await?);
    }
    for replica in &replicas {
        replica.settled(helped).await?;
    }
    quiet(&replicas).await?;
    let starts: Vec<_> = replicas.iter().map(Replica::taken).collect();
    eprintln!("  after the start: {starts:?}");
    change(&stage).await?;
    quiet(&replicas).await?;
    let costs: Vec<_> = starts
        .into_iter()
        .zip(&replicas)
        .map(|(start, replica)| Cost { start, all: replica.taken() })
        .collect();
    eprintln!("  in the end: {costs:?}");
    for replica in &mut replicas {
        if replica.process.has_ended() {
            return Err(format!("a replica has ended: see {}", replica.log.display()).into());
        }
        fs::remove_file(&replica.log)?;
    }
    Ok(costs)
}

/// Waits until no replica has received or computed anything but for its Leases, for a while.
async fn quiet(replicas: &[Replica]) -> Result<(), Error> {
    // What Leases take in that time is far less.
    const LEASES: Taken = Taken { received: 0.1, cpu: 0.1 };
    let taken = || replicas.iter().map(Replica::taken).collect::<Vec<_>>();
    let wait = async {
        let mut before = taken();
        loop {
            sleep(QUIET).await;
            let now = taken();
            let rests = |(now, before): (&Taken, &Taken)| {
                now.received - before.received < LEASES.received && now.cpu - before.cpu < LEASES.cpu
            };
            if now.iter().zip(&before).all(rests) {
                return;
            }
            before = now;
        }
    };
    timeout(REST, wait).await.map_err(|_| "the replicas don't come to rest".into())
}

/// Lets objects change, each once, and each when it is due; later if the server is slow.
async fn change(stage: &Stage) -> Result<(), Error> {
    let (begun, all) = (Instant::now(), CHANGES * usize::try_from(LENGTH.as_secs())?);
    let due = |number: usize| begun + LENGTH.mul_f64(float(number) / float(all));
    let change = async |number: usize| {
        sleep_until(due(number)).await;
        stage.widen(number).await
    };
    stream::iter(0..all).map(change).buffer_unordered(REQUESTS).try_collect::<()>().await?;
    eprintln!("  {all} changes in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}
