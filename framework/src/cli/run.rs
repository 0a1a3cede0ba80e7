//! Command `run`: the operator.

use super::{
    Program,
    arguments::{Logs, Namespaces, Run},
};
#[cfg(feature = "otel")]
use crate::logging::Traces;
use crate::{
    logging::Log,
    operator::Operator,
    settings::{InvalidSetting, Settings},
};
use std::{error::Error, fmt, io::Write, process::ExitCode, sync::Arc};
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
    let (log, traces) = match start_log(&program, &options.logs) {
        Ok(started) => started,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = change(&mut Settings::default(), &options.settings) {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        return ExitCode::from(2);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&log, &error),
    };
    program.operator.set_version(program.version);
    let ended = runtime.block_on(async {
        let mut operator = set_up(program.operator, options.own).await.map_err(Into::into)?;
        let of_code = operator.settings_mut().check();
        change(operator.settings_mut(), &options.settings)?;
        if of_code.is_ok() {
            operator.settings_mut().check().map_err(Unfit)?;
        }
        let given = options.settings;
        let operator = operator.overriding(Arc::new(move |settings| change(settings, &given)));
        if operator.is_kopf_compatible() {
            log.call_it_kopf();
        }
        let operator = options.leases.of(options.peering.of(within(operator, options.namespaces)));
        Ok::<_, Box<dyn Error>>(options.health.of(operator).run().await?)
    });
    // A handler that ignores its cancellation must not keep the process alive.
    runtime.shutdown_background();
    traces.end();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Unfit>() => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
        Err(error) => failed(&log, &*error),
    }
}

/// Starts the log, and sends traces if the environment says where to.
fn start_log(program: &Program, logs: &Logs) -> Result<(Log, Ending), Box<dyn Error>> {
    #[cfg(feature = "otel")]
    if let Some(traces) = Traces::from_env(program.operator.name(), program.version)? {
        return Ok((logs.logging().start_tracing(&traces)?, Ending(Some(traces))));
    }
    let _ = program;
    Ok((logs.logging().start()?, Ending::default()))
}

/// What is to be done when the log ends.
#[derive(Default)]
struct Ending(#[cfg(feature = "otel")] Option<Traces>);

impl Ending {
    /// Sends the traces that are left.
    fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.0 {
            traces.end();
        }
    }
}

/// What is given doesn't go together, or not with the settings of the program.
#[derive(Debug)]
struct Unfit(InvalidSetting);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Unfit {}

/// Changes settings as the environment and the command line say.
fn change(settings: &mut Settings, given: &[(String, String)]) -> Result<(), InvalidSetting> {
    settings.set_from_environment()?;
    given.iter().try_for_each(|(name, value)| settings.set(name, value))
}

pub(super) fn within(operator: Operator, namespaces: Namespaces) -> Operator {
    if !namespaces.named.is_empty() {
        return operator.namespaces(namespaces.named);
    }
    if !namespaces.all && operator.is_namespaced() {
        return operator;
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
