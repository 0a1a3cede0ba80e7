//! Waves: a backlog is created, all objects change, single ones come, all are deleted.

use super::{
    Error, Options,
    contender::Contender,
    process::Process,
    report::{self, Measure, Report},
    sandbox,
    servers::ServersCpu,
    stage::Stage,
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Measures all contenders, in rounds.
pub async fn run(options: &Options) -> Result<String, Error> {
    let sandbox = sandbox().await?;
    let mut report = Report::default();
    for round in 0..options.rounds {
        for (at, contender) in options.contenders.iter().enumerate() {
            if *contender == Contender::Kopf && round > 0 {
                continue;
            }
            eprintln!("round {} of {}: {}", round + 1, options.rounds, contender.name());
            let stage = Stage::new(&sandbox, *contender, round * options.contenders.len() + at).await?;
            measure(options, *contender, &stage, &mut report).await?;
            stage.clear().await?;
        }
    }
    let Options { objects, rounds, .. } = options;
    let table = report.markdown(&options.contenders);
    Ok(format!("{objects} objects; medians of {rounds} rounds, with the lowest and the highest.\n\n{table}"))
}

/// What is taken from one point in time on.
struct Span {
    begun: Instant,
    servers: ServersCpu,
    cpu: Duration,
}

impl Span {
    fn begin(process: Option<&Process>) -> Self {
        let cpu = process.map_or(Duration::ZERO, Process::cpu);
        Self { begun: Instant::now(), servers: ServersCpu::now(), cpu }
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The processor time of the operator, of the control plane, and of PostgreSQL.
    fn cpu(&self, process: &Process) -> [f64; 3] {
        let servers = ServersCpu::now().since(self.servers);
        [process.cpu().saturating_sub(self.cpu), servers.control_plane, servers.postgres]
            .map(|time| time.as_secs_f64())
    }
}

async fn measure(
    options: &Options,
    contender: Contender,
    stage: &Stage,
    report: &mut Report,
) -> Result<(), Error> {
    let count = options.objects;
    let mut note = |measure, value| report.note(contender, measure, value);
    stage.create_all(0..count).await?;

    let span = Span::begin(None);
    let mut process = stage.start()?;
    stage.tables(&mut process, count, None).await?;
    note(Measure::Backlog, span.seconds());
    stage.rest(&process).await;
    let [own, control_plane, postgres] = span.cpu(&process);
    note(Measure::BacklogCpu, own);
    note(Measure::BacklogControlPlane, control_plane);
    note(Measure::BacklogPostgres, postgres);
    note(Measure::BacklogMemory, process.peak_memory() / 1024.0);

    let span = Span::begin(Some(&process));
    let changed = stage.tables(&mut process, count, Some("country"));
    futures::future::try_join(stage.update_all(count), changed).await?;
    note(Measure::Updates, span.seconds());
    stage.rest(&process).await;
    let [own, control_plane, postgres] = span.cpu(&process);
    note(Measure::UpdatesCpu, own);
    note(Measure::UpdatesControlPlane, control_plane);
    note(Measure::UpdatesPostgres, postgres);

    let mut latencies = Vec::new();
    for single in 0..options.singles {
        latencies.push(stage.latency(count + single).await?.as_secs_f64() * 1000.0);
        sleep(Duration::from_millis(30)).await;
    }
    latencies.sort_by(f64::total_cmp);
    note(Measure::LatencyMedian, report::at(&latencies, 0.5));
    note(Measure::LatencyWorst, report::at(&latencies, 0.99));
    stage.rest(&process).await;

    let span = Span::begin(Some(&process));
    let (deleted, dropped) = (stage.delete_all(count + options.singles), stage.tables(&mut process, 0, None));
    futures::future::try_join(deleted, dropped).await?;
    stage.gone().await?;
    note(Measure::Deletions, span.seconds());
    let [own, control_plane, postgres] = span.cpu(&process);
    note(Measure::DeletionsCpu, own);
    note(Measure::DeletionsControlPlane, control_plane);
    note(Measure::DeletionsPostgres, postgres);
    Ok(())
}
