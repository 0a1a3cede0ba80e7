//! Measures operators side by side, on a real API server, etcd and PostgreSQL: `cargo bench -p korf-bench`.
//!
//! Rounds are interleaved: each contender has its turn in each round, on a namespace and a database of its own. What is
//! told are medians, with the lowest and the highest. Only ratios within one run mean something.

mod contender;
mod process;
mod report;
mod stage;

use clap::Parser;
use contender::Contender;
use korf_sandbox::Sandbox;
use report::{Measure, Report};
use stage::Stage;
use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// An error, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

const CRD: &str = include_str!("../../../operator/manifests/kopf-demo-crd.yaml");

/// Measures operators side by side
#[derive(Debug, Parser)]
struct Options {
    /// The operators that are measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Contender::Korf, Contender::ByHand])]
    contenders: Vec<Contender>,

    /// The number of objects in the backlog and the waves
    #[arg(long, value_name = "N", default_value_t = 500)]
    objects: usize,

    /// The number of rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// The number of single objects whose latency is measured
    #[arg(long, value_name = "N", default_value_t = 50)]
    singles: usize,

    /// The number of tables of other objects that are in each database before
    #[arg(long, value_name = "N", default_value_t = 0)]
    tables: usize,

    /// Write the report to this file instead of the screen
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,

    /// Cargo passes this to all benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn title(&self) -> String {
        let Self { objects, rounds, tables, .. } = self;
        let before =
            if *tables > 0 { format!(" in databases with {tables} other tables") } else { String::new() };
        format!("{objects} objects{before}; medians of {rounds} rounds, with the lowest and the highest")
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    for contender in &options.contenders {
        contender.prepare()?;
    }
    let sandbox = Sandbox::start().await?;
    install(&sandbox)?;
    let mut report = Report::default();
    for round in 0..options.rounds {
        for (at, contender) in options.contenders.iter().enumerate() {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, contender.name());
            let stage = Stage::new(&sandbox, *contender, round * options.contenders.len() + at).await?;
            measure(&options, *contender, &stage, &mut report).await?;
            stage.clear().await?;
        }
    }
    let text = report.markdown(&options.contenders, &options.title());
    match options.output {
        Some(path) => std::fs::write(path, text)?,
        None => println!("{text}"),
    }
    Ok(())
}

fn install(sandbox: &Sandbox) -> Result<(), Error> {
    let kubectl = || sandbox.control_plane.kubectl();
    let mut apply =
        kubectl()?.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = apply.stdin.take() {
        input.write_all(CRD.as_bytes())?;
    }
    let applied = apply.wait()?.success();
    let mut wait: Command = kubectl()?;
    wait.args(["wait", "--for=condition=Established", "--timeout=30s", "crd/databasetables.kopf.demo"]);
    let established = wait.stdout(Stdio::null()).status()?.success();
    if applied && established { Ok(()) } else { Err("the CRD can't be installed".into()) }
}

async fn measure(
    options: &Options,
    contender: Contender,
    stage: &Stage,
    report: &mut Report,
) -> Result<(), Error> {
    let count = options.objects;
    let mut note = |measure, value| report.note(contender, measure, value);
    stage.prefill(options.tables).await?;
    stage.create_all(count).await?;

    let begun = Instant::now();
    let mut process = stage.start()?;
    stage.tables(&mut process, count, None).await?;
    note(Measure::Backlog, begun.elapsed().as_secs_f64());
    stage.rest(&process).await;
    note(Measure::BacklogCpu, process.cpu().as_secs_f64());
    note(Measure::BacklogMemory, process.peak_memory() / 1024.0);

    let begun = Instant::now();
    let changed = stage.tables(&mut process, count, Some("country"));
    futures::future::try_join(stage.update_all(count), changed).await?;
    note(Measure::Updates, begun.elapsed().as_secs_f64());
    stage.rest(&process).await;

    let mut latencies = Vec::new();
    for single in 0..options.singles {
        latencies.push(stage.latency(count + single).await?.as_secs_f64() * 1000.0);
        sleep(Duration::from_millis(30)).await;
    }
    latencies.sort_by(f64::total_cmp);
    note(Measure::LatencyMedian, report::at(&latencies, 0.5));
    note(Measure::LatencyWorst, report::at(&latencies, 0.99));
    let all = count + options.singles;
    stage.rest(&process).await;

    drop(process);
    let version = stage.version().await?;
    let mut process = stage.start()?;
    sleep(Duration::from_millis(500)).await;
    stage.rest(&process).await;
    note(Measure::RestartCpu, process.cpu().as_secs_f64());
    note(Measure::RestartMemory, process.memory() / 1024.0);
    note(Measure::RestartWrites, if stage.version().await? == version { 0.0 } else { 1.0 });

    let begun = Instant::now();
    let (deleted, dropped) = (stage.delete_all(all), stage.tables(&mut process, 0, None));
    futures::future::try_join(deleted, dropped).await?;
    stage.gone().await?;
    note(Measure::Deletions, begun.elapsed().as_secs_f64());
    Ok(())
}
