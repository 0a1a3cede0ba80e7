//! `cargo demo`: starts Kubernetes, PostgreSQL and the operator, and walks through the life of one table.
//!
//! Nothing is staged: a shell runs the commands exactly as they are printed, and the log lines come from the
//! operator's binary. Everything the demo claims is checked against Kubernetes and PostgreSQL directly.

mod build;
mod checks;
mod database;
mod keep;
mod log_line;
mod object;
mod operator;
mod patience;
mod pauses;
mod screen;
mod session;
mod shell;
mod signals;
mod walkthrough;

use clap::Parser;
use pauses::Pauses;
use screen::Screen;
use session::Session;
use signals::{Signal, Signals};
use std::{error::Error, process::ExitCode};

/// Any error. Each of them ends the demo, and people read its message.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Watch the operator at work on a real Kubernetes and a real PostgreSQL, step by step
///
/// The demo starts both servers on free ports of this machine, and stops them at the end.
/// To use servers of your own, set KORF_SANDBOX_KUBECONFIG and KORF_SANDBOX_DATABASE_URL;
/// if the demo is interrupted, what it created there remains.
///
/// On a terminal, it waits for Enter after each step. The exit status is 0 only if every check passed.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --", bin_name = "cargo demo --", verbatim_doc_comment)]
struct Options {
    /// Keep everything running afterwards, with the table in place, and print commands to try
    #[arg(long)]
    keep: bool,
    /// Go through all steps without waiting for Enter
    #[arg(long)]
    no_pause: bool,
    /// Print without colors; NO_COLOR does the same, and so does output that isn't a terminal
    #[arg(long)]
    no_color: bool,
}

/// How the demo ended.
enum Outcome {
    AllPassed,
    SomeFailed,
    Interrupted(Signal),
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse_from(arguments());
    match demo(&options, &Screen::new(options.no_color)).await {
        Ok(Outcome::AllPassed) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::FAILURE,
        Ok(Outcome::Interrupted(signal)) => ExitCode::from(signal.exit_status()),
        Err(error) => {
            eprintln!("cargo demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments without leading `--`: the alias ends with one, and `cargo demo -- --keep` adds another.
fn arguments() -> impl Iterator<Item = std::ffi::OsString> {
    let given = std::env::args_os().skip(1);
    std::env::args_os().take(1).chain(given.skip_while(|argument| argument == "--"))
}

async fn demo(options: &Options, screen: &Screen) -> Result<Outcome> {
    let mut signals = Signals::new()?;
    // On a signal, the walkthrough is dropped, which stops everything that it has started.
    let mut session = tokio::select! {
        session = walk_through(options, screen) => session?,
        signal = signals.next() => {
            screen.note(&format!("\n{signal}. Nothing is left running."))?;
            return Ok(Outcome::Interrupted(signal));
        }
    };
    let (took, is_ended) = (session.took(), session.is_ended);
    if options.keep && session.checks.all_passed() && !is_ended {
        keep::stay(&mut session, &mut signals).await?;
    }
    session.stop_operator().await?;
    let checks = session.close()?;
    let kept = options.keep && !is_ended;
    walkthrough::summary(screen, &checks, took, kept, is_ended)?;
    Ok(if checks.all_passed() { Outcome::AllPassed } else { Outcome::SomeFailed })
}

async fn walk_through<'a>(options: &Options, screen: &'a Screen) -> Result<Session<'a>> {
    walkthrough::introduction(screen)?;
    let mut session = Session::start(screen, Pauses::new(!options.no_pause)).await?;
    walkthrough::run(&mut session, options.keep).await?;
    Ok(session)
}
