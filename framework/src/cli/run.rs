//! `run`: the operator at work.

use super::{
    Program,
    arguments::{Namespaces, Run},
};
use crate::{logging::Log, operator::Operator};
use std::{error::Error, io::Write, process::ExitCode};
use tokio::runtime::Runtime;

pub(super) fn run<O, E>(
    program: Program,
    options: Run<O>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    let log = match options.logs.logging().start() {
        Ok(log) => log,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&log, &error),
    };
    let ended = runtime.block_on(async {
        let operator = set_up(program.operator(), options.own).await.map_err(Into::into)?;
        if operator.is_kopf_compatible() {
            log.call_it_kopf();
        }
        Ok::<_, Box<dyn Error>>(within(operator, options.namespaces).run().await?)
    });
    // A handler that ignores its cancellation must not keep the process alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&log, &*error),
    }
}

fn within(operator: Operator, namespaces: Namespaces) -> Operator {
    if !namespaces.named.is_empty() {
        return operator.namespaces(namespaces.named);
    }
    if !namespaces.all {
        tracing::warn!(
            target: "korf::engine",
            "Neither --namespace nor --all-namespaces is given: all namespaces are served. \
             Say --all-namespaces if that is meant."
        );
    }
    operator.all_namespaces()
}

fn failed(log: &Log, error: &(dyn Error + 'static)) -> ExitCode {
    log.last_words(&crate::error::with_causes(error));
    ExitCode::FAILURE
}
