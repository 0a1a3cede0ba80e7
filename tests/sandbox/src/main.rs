//! A sandbox to experiment with: prints the variables to export, and stops the servers on Ctrl-C.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use korf_sandbox::Sandbox;

const USAGE: &str = "\
Starts a Kubernetes API server and a PostgreSQL, prints the lines that set KUBECONFIG and DATABASE_URL, and runs until Ctrl-C.

Usage: korf-sandbox

It has no options; its README says which variables it reads.
";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let (mut output, mut errors) = (std::io::stdout(), std::io::stderr());
    let written = match argument.as_deref() {
        None => match start() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => writeln!(errors, "Error: {error}"),
        },
        Some("-h" | "--help") => match output.write_all(USAGE.as_bytes()) {
            Ok(()) => return ExitCode::SUCCESS,
            failed => failed,
        },
        Some(unknown) => writeln!(errors, "error: unknown argument {unknown:?}\n\n{USAGE}"),
    };
    // Nobody reads it.
    drop(written);
    ExitCode::FAILURE
}

#[tokio::main]
async fn start() -> Result<(), Box<dyn Error>> {
    // From the beginning: Ctrl-C drops what there is so far, and the prompt comes back once nothing is left.
    tokio::select! {
        done = run() => done,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// Starts the servers, prints how to reach them, and keeps them running.
async fn run() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let database = sandbox.postgres.create_database("demo").await?;
    let mut output = std::io::stdout();
    writeln!(output, "export KUBECONFIG='{}'", sandbox.control_plane.kubeconfig().display())?;
    writeln!(output, "export DATABASE_URL='{}'", database.url())?;
    writeln!(output, "# Paste these lines into another shell. Ctrl-C stops the servers.")?;
    output.flush()?;
    std::future::pending().await
}
