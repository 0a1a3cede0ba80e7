//! Measures operators side by side, on a real API server, etcd and PostgreSQL: `cargo bench -p korf-bench`.
//!
//! The rounds of waves are interleaved: each contender has its turn in each round, on a namespace and a database of its own. What
//! is told of them are medians, with the lowest and the highest. The rest, which takes long, is measured once, on servers of its
//! own. Only ratios within one run mean something.

mod contender;
mod crowd;
mod document;
mod growth;
mod hour;
mod overhead;
mod plot;
mod process;
mod report;
mod servers;
mod shares;
mod stage;
mod waves;

use clap::Parser;
use contender::Contender;
use document::Document;
use korf_sandbox::{Sandbox, until_served};
use std::{io::Write, path::PathBuf, process::Stdio};

/// An error, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

const CRD: &str = include_str!("../../../operator/manifests/kopf-demo-crd.yaml");

/// Measures operators side by side. Without options: backlog, waves and latency with 500 objects, in two minutes or so.
#[derive(Debug, Default, Parser)]
pub struct Options {
    /// The operators that are measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Contender::Korf, Contender::ByHand])]
    contenders: Vec<Contender>,

    /// The number of objects in the backlog and the waves; 0 measures none of them
    #[arg(long, value_name = "N", default_value_t = 500)]
    objects: usize,

    /// The number of rounds; one for Kopf, which takes long
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// The number of single objects whose latency is measured
    #[arg(long, value_name = "N", default_value_t = 50)]
    singles: usize,

    /// The numbers of tables of other objects that are in the database before: creations with each are compared
    #[arg(long, value_name = "N", value_delimiter = ',')]
    tables: Vec<usize>,

    /// The numbers of objects with which backlogs are measured, one after the other
    #[arg(long, value_name = "N", value_delimiter = ',')]
    backlogs: Vec<usize>,

    /// The numbers of handled objects with which operators are restarted
    #[arg(long, value_name = "N", value_delimiter = ',')]
    restarts: Vec<usize>,

    /// Measure an object that changes all the time beside a thousand others of fifty kinds
    #[arg(long)]
    crowd: bool,

    /// Measure what an operator keeps in an hour of restarts, rotated tokens and namespaces that come and go: six minutes
    #[arg(long)]
    hour: bool,

    /// Measure what leases and metrics cost the table operator, in this many rounds of waves; each takes a minute
    #[arg(long, value_name = "ROUNDS", default_value_t = 0)]
    overhead: usize,

    /// Measure what four replicas receive of 20,000 objects, with an API server that sends each its share, and with one that
    /// doesn't: five minutes
    #[arg(long)]
    shares: bool,

    /// Everything but --overhead and --shares, for the document; takes about half an hour
    #[arg(long)]
    long: bool,

    /// Replace what is measured in this document, docs/performance.md say, and draw plots in the folder of its name
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Cargo passes this to all benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn in_full(self) -> Self {
        if !self.long {
            return self;
        }
        Self {
            contenders: vec![Contender::Korf, Contender::ByHand, Contender::Bare, Contender::Kopf],
            objects: 2_000,
            singles: 200,
            tables: vec![200, 20_000],
            backlogs: vec![2_000, 6_000, 20_000],
            restarts: vec![1_000, 6_000, 20_000, 100_000],
            crowd: true,
            hour: true,
            ..self
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse().in_full();
    for contender in &options.contenders {
        contender.prepare()?;
    }
    let mut document = Document::new(options.output.clone());
    if options.objects > 0 {
        document.section("Waves", waves::run(&options).await?)?;
    }
    if !options.backlogs.is_empty() {
        document.section("Backlogs", growth::backlogs(&options, &document).await?)?;
    }
    if !options.tables.is_empty() {
        document.section("Other tables in the database", growth::tables(&options).await?)?;
    }
    if !options.restarts.is_empty() {
        document.section("Restarts", growth::restarts(&options, &document).await?)?;
    }
    if options.crowd {
        document.section("A hot object in a crowd", crowd::run().await?)?;
    }
    if options.hour {
        document.section("An hour, compressed", hour::run().await?)?;
    }
    if options.overhead > 0 {
        document.section("Leases and metrics", overhead::run(options.overhead).await?)?;
    }
    if options.shares {
        document.section("Shares of the objects", shares::run().await?)?;
    }
    document.finish()
}

/// Starts servers with the CRD.
pub async fn sandbox() -> Result<Sandbox, Error> {
    let sandbox = Sandbox::start().await?;
    install(&sandbox, CRD, &["databasetables.kopf.demo".to_owned()])?;
    Ok(sandbox)
}

/// Installs CRDs, and waits for them.
pub fn install(sandbox: &Sandbox, manifests: &str, names: &[String]) -> Result<(), Error> {
    let kubectl = || sandbox.control_plane.kubectl();
    let mut apply =
        kubectl()?.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    if let Some(mut input) = apply.stdin.take() {
        input.write_all(manifests.as_bytes())?;
    }
    let applied = apply.wait()?.success();
    if !applied {
        return Err("the CRDs can't be installed".into());
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    Ok(until_served(kubectl, &names)?)
}
