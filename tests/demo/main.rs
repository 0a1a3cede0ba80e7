//! `cargo demo`: Kubernetes, PostgreSQL and the operator brought up, and a walk through the life of one table.
//!
//! What it shows is what happens: the commands are run by a shell as they are printed, and the log lines are those of
//! the operator's binary. What it claims it has checked, behind the commands' backs.

mod build;
mod checks;
mod cluster;
mod database;
mod keep;
mod operator;
mod patience;
mod screen;
mod shell;
mod signals;
mod stage;
mod walk;

use clap::Parser;
use screen::Screen;
use signals::{Signal, Signals};
use stage::Stage;
use std::{error::Error, process::ExitCode, time::Instant};

/// Any error: all of them end the demo, and are for people.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Watch the operator at work on a real Kubernetes and a real PostgreSQL, step by step
///
/// Both are started for the demo, on free ports of this machine, and end with it.
/// KORF_SANDBOX_KUBECONFIG and KORF_SANDBOX_DATABASE_URL name servers to use instead;
/// what the walk makes there stays if it is interrupted.
///
/// The exit status is 0 only if every check held.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --", bin_name = "cargo demo --", verbatim_doc_comment)]
struct Options {
    /// Keep everything running after the walk, with the table in it, and print the commands to play with
    #[arg(long)]
    keep: bool,
    /// No colors; so it is too with NO_COLOR set, and where the output is no terminal
    #[arg(long)]
    no_color: bool,
}

/// How the demo ended.
enum Ending {
    AllHeld,
    SomeFailed,
    Interrupted(Signal),
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse_from(arguments());
    match demo(&options, &Screen::new(options.no_color)).await {
        Ok(Ending::AllHeld) => ExitCode::SUCCESS,
        Ok(Ending::SomeFailed) => ExitCode::FAILURE,
        Ok(Ending::Interrupted(signal)) => ExitCode::from(signal.exit_status()),
        Err(error) => {
            eprintln!("cargo demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The alias ends with `--`, and `cargo demo -- --keep` adds another one.
fn arguments() -> impl Iterator<Item = std::ffi::OsString> {
    let given = std::env::args_os().skip(1);
    std::env::args_os().take(1).chain(given.skip_while(|argument| argument == "--"))
}

async fn demo(options: &Options, screen: &Screen) -> Result<Ending> {
    let (start, mut signals) = (Instant::now(), Signals::new()?);
    // What is interrupted is dropped, and ends everything that it has started.
    let mut stage = tokio::select! {
        walked = walked(options, screen) => walked?,
        signal = signals.next() => {
            screen.note(&format!("\n{signal}: nothing is left running."))?;
            return Ok(Ending::Interrupted(signal));
        }
    };
    let took = start.elapsed();
    if options.keep && stage.checks.all_held() {
        keep::stay(&mut stage, &mut signals).await?;
    }
    stage.stop_operator().await?;
    let checks = stage.close()?;
    walk::summary(screen, &checks, took, options.keep)?;
    Ok(if checks.all_held() { Ending::AllHeld } else { Ending::SomeFailed })
}

async fn walked<'a>(options: &Options, screen: &'a Screen) -> Result<Stage<'a>> {
    walk::introduction(screen)?;
    let mut stage = Stage::set(screen).await?;
    walk::walk(&mut stage, options.keep).await?;
    Ok(stage)
}
