//! Waves: a backlog is created, all objects change, single ones come, all are deleted.

use super::{
    Error, Options,
    contender::Contender,
    process::Process,
    report::{self, Measure, Phase, Report, float},
    sandbox,
    servers::ServersCpu,
    stage::{Stage, Tables},
};
use korf_sandbox::Sandbox;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Measures all contenders, in rounds.
pub async fn run(options: &Options) -> Result<String, Error> {
    let sandbox = &sandbox().await?;
    let mut report = Report::default();
    for round in 0..options.rounds {
        for (at, contender) in options.contenders.iter().enumerate() {
            if *contender == Contender::Kopf && round > 0 {
                continue;
            }
            eprintln!("round {} of {}: {}", round + 1, options.rounds, contender.name());
            let stage = Stage::new(sandbox, *contender, round * options.contenders.len() + at).await?;
            measure(options, sandbox, *contender, &stage, &mut report).await?;
            stage.clear().await?;
        }
    }
    let Options { objects, rounds, .. } = options;
    let table = report.markdown(&options.contenders);
    Ok(format!("{objects} objects; medians of {rounds} rounds, with the lowest and the highest.\n\n{table}"))
}

/// What is taken from one point in time on.
struct Span<'a> {
    sandbox: &'a Sandbox,
    begun: Instant,
    servers: ServersCpu,
    cpu: Duration,
    requests: f64,
}

impl<'a> Span<'a> {
    async fn begin(sandbox: &'a Sandbox, process: Option<&Process>) -> Result<Self, Error> {
        let cpu = process.map_or(Duration::ZERO, Process::cpu);
        let requests = requests(sandbox).await?;
        Ok(Self { sandbox, begun: Instant::now(), servers: ServersCpu::now(), cpu, requests })
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// What the operator and the servers have taken, and the requests for each of so many objects.
    async fn costs(&self, process: &Process, count: usize) -> Result<[f64; 4], Error> {
        let servers = ServersCpu::now().since(self.servers);
        let [own, control_plane, postgres] =
            [process.cpu().saturating_sub(self.cpu), servers.control_plane, servers.postgres]
                .map(|time| time.as_secs_f64());
        let requests = (requests(self.sandbox).await? - self.requests) / float(count);
        Ok([own, control_plane, postgres, requests])
    }
}

/// The requests for tables' objects so far, the load's included.
async fn requests(sandbox: &Sandbox) -> Result<f64, Error> {
    let counts = sandbox.control_plane.request_counts("databasetables.kopf.demo").await?;
    Ok(counts.values().map(|count| float(usize::try_from(*count).unwrap_or(usize::MAX))).sum())
}

/// Measures one contender once.
pub async fn measure(
    options: &Options,
    sandbox: &Sandbox,
    contender: Contender,
    stage: &Stage,
    report: &mut Report,
) -> Result<(), Error> {
    let count = options.objects;
    let mut note = |phase, measures: &[(Measure, f64)]| {
        for (measure, value) in measures {
            report.note(contender, (phase, *measure), *value);
        }
    };
    stage.create_all(0..count).await?;

    let span = Span::begin(sandbox, None).await?;
    let mut process = stage.start()?;
    stage.tables(&mut process, 0..count, Tables::There).await?;
    let seconds = span.seconds();
    stage.rest(&process).await;
    note(Phase::Backlog, &all(seconds, span.costs(&process, count).await?));
    note(Phase::Backlog, &[(Measure::Memory, process.peak_memory() / 1024.0)]);

    let span = Span::begin(sandbox, Some(&process)).await?;
    let changed = stage.tables(&mut process, 0..count, Tables::Wider);
    futures::future::try_join(stage.update_all(count), changed).await?;
    let seconds = span.seconds();
    stage.rest(&process).await;
    note(Phase::Updates, &all(seconds, span.costs(&process, count).await?));

    let mut latencies = Vec::new();
    for single in 0..options.singles {
        latencies.push(stage.latency(count + single).await?.as_secs_f64() * 1000.0);
        sleep(Duration::from_millis(30)).await;
    }
    latencies.sort_by(f64::total_cmp);
    let [median, worst] = [0.5, 0.99].map(|share| report::at(&latencies, share));
    note(Phase::Latency, &[(Measure::Median, median), (Measure::Worst, worst)]);
    stage.rest(&process).await;

    let count = count + options.singles;
    let span = Span::begin(sandbox, Some(&process)).await?;
    futures::future::try_join(stage.delete_all(count), stage.tables(&mut process, 0..count, Tables::Gone))
        .await?;
    stage.gone().await?;
    let seconds = span.seconds();
    note(Phase::Deletions, &all(seconds, span.costs(&process, count).await?));
    Ok(())
}

fn all(seconds: f64, [own, control_plane, postgres, requests]: [f64; 4]) -> [(Measure, f64); 5] {
    [
        (Measure::Seconds, seconds),
        (Measure::Cpu, own),
        (Measure::ControlPlane, control_plane),
        (Measure::Postgres, postgres),
        (Measure::Requests, requests),
    ]
}
