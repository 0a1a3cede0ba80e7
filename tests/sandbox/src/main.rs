//! A sandbox to experiment with: prints the variables to export, and stops the servers on Ctrl-C.

use std::error::Error;
use std::io::Write;

use korf_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
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
