//! Overhead: what leases and metrics cost an operator in its waves.

use super::{
    Error, Options,
    contender::Contender,
    report::{Measure, Phase, Report, Table, at, goal_cell, ratio_cell},
    sandbox,
    stage::Stage,
    waves,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};

const OBJECTS: usize = 2_000;
/// Prometheus asks so often where nobody says otherwise.
const SCRAPES: Duration = Duration::from_secs(15);
/// The ratio that this project aims at.
const GOAL: f64 = 1.02;

const PHASES: [(Phase, &str); 3] =
    [(Phase::Backlog, "backlog"), (Phase::Updates, "update wave"), (Phase::Deletions, "delete wave")];

/// Measures the table operator with and without them, in so many rounds.
pub async fn run(rounds: usize) -> Result<String, Error> {
    let sandbox = &sandbox().await?;
    let options = Options { objects: OBJECTS, singles: 0, ..Options::default() };
    let mut report = Report::default();
    for round in 0..rounds {
        // Whatever changes with time, changes for both.
        let mut both = [Contender::Korf, Contender::Replica];
        both.rotate_left(round % 2);
        for (at, contender) in both.into_iter().enumerate() {
            eprintln!("round {} of {rounds}: {}", round + 1, contender.name());
            let stage = Stage::new(sandbox, contender, round * both.len() + at).await?;
            // The address in the log of the round before is nobody's.
            let _ = fs::remove_file(&stage.place().log);
            let scraper = (contender == Contender::Replica).then(|| Scraper::start(&stage.place().log));
            waves::measure(&options, sandbox, contender, &stage, &mut report).await?;
            if let Some(scraper) = scraper {
                scraper.finish()?;
            }
            stage.clear().await?;
        }
    }
    Ok(format!(
        "{OBJECTS} objects; CPU seconds of the operator, medians of {rounds} interleaved rounds, with the lowest and the highest; \
         the ratio is the median of the rounds' ratios. Metrics are asked for every {} s.\n\n{}",
        SCRAPES.as_secs(),
        table(&report)
    ))
}

fn table(report: &Report) -> String {
    let mut table = Table::new(["", "without", "with leases and metrics", "ratio", "goal"]);
    let values = |contender, phase| report.values(contender, (phase, Measure::Cpu)).to_vec();
    let mut together = [Vec::new(), Vec::new()];
    for (phase, name) in PHASES {
        let both = [Contender::Korf, Contender::Replica].map(|contender| values(contender, phase));
        for (sum, values) in together.iter_mut().zip(&both) {
            sum.resize(values.len(), 0.0);
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        add(&mut table, name, both, None);
    }
    add(&mut table, "together", together, Some(GOAL));
    table.0
}

fn add(table: &mut Table, name: &str, [without, with]: [Vec<f64>; 2], goal: Option<f64>) {
    let ratios = sorted(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    let cell = |values: Vec<f64>| {
        let values = sorted(values);
        format!("{:.2} ({:.2} to {:.2})", at(&values, 0.5), at(&values, 0.0), at(&values, 1.0))
    };
    let ratio = Some(at(&ratios, 0.5));
    table.add([
        name,
        &cell(without),
        &cell(with),
        &format!("{} ({:.2} to {:.2})", ratio_cell(ratio), at(&ratios, 0.0), at(&ratios, 1.0)),
        &goal_cell(ratio, goal),
    ]);
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Asks an operator for its metrics, as Prometheus does.
struct Scraper(JoinHandle<Result<(), Error>>);

impl Scraper {
    fn start(log: &Path) -> Self {
        Self(tokio::spawn(scrape(log.to_owned())))
    }

    /// Fails if it has stopped before.
    fn finish(self) -> Result<(), Error> {
        if self.0.is_finished() {
            return Err("the metrics can't be had".into());
        }
        self.0.abort();
        Ok(())
    }
}

async fn scrape(log: PathBuf) -> Result<(), Error> {
    let address = loop {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let address =
            text.split_once("Serving metrics at http://").and_then(|(_, rest)| rest.split_once('/'));
        match address {
            Some((address, _)) => break address.to_owned(),
            None => sleep(Duration::from_millis(200)).await,
        }
    };
    loop {
        let mut stream = TcpStream::connect(&address).await?;
        let question = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if !answer.contains("korf_") {
            return Err("there are no metrics".into());
        }
        sleep(SCRAPES).await;
    }
}
