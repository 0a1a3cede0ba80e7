//! Command `explain`: what the operator thinks of one object, from what is stored on it, and from the handlers in the binary.

mod excerpt;
mod handlers;
mod kinds;
mod object;
mod replica;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod words;

use super::{arguments::Explain, written};
use crate::{
    operator::{Inspection, Operator, RunError, Unanswered},
    runtime::{WatchedObject, clock},
};
use kinds::FoundKind;
use kube::Api;
use object::Look;
use report::Report;
use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// The form in which an explanation is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Text,
    /// For tools.
    Json,
}

/// The reason why there is no explanation.
#[derive(Debug)]
enum Unexplained {
    /// The command line names what isn't there.
    Usage(String),
    /// The object is not found, or can't be read.
    Failed(String),
}

impl Unexplained {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Failed(why) => f.write_str(&words::printable(why)),
        }
    }
}

impl From<RunError> for Unexplained {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Setting(_) => Self::Usage(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Prints what the operator thinks of an object.
pub(super) fn print(operator: Operator, options: &Explain) -> ExitCode {
    super::in_runtime(async {
        match look_up(operator, options).await {
            Ok(report) => written(write(&report, options.output, &mut io::stdout())),
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error}");
                ExitCode::from(error.code())
            }
        }
    })
}

fn write(report: &Report, output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Text => text::write(report, out),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
    }
}

async fn look_up(operator: Operator, options: &Explain) -> Result<Report, Unexplained> {
    if operator.registry().handlers().is_empty() {
        return Err(Unexplained::Usage("no handler is registered".to_owned()));
    }
    let inspection = operator.inspect().await?;
    let found = kinds::find(&inspection, &options.kind).await?;
    let object = read(&inspection, &found, options).await?;
    let body = object.into_body().of_kind(&found.kind.resource.api_version, &found.kind.resource.kind);
    let namespace = options.lease_namespace.clone().unwrap_or_else(|| replica::own_namespace(&inspection));
    let replica = replica::of(&inspection, &namespace, body.uid()).await;
    Ok(Look { inspection: &inspection, found: &found, now: clock::now() }.at(body, replica))
}

async fn read(
    inspection: &Inspection,
    found: &FoundKind<'_>,
    options: &Explain,
) -> Result<WatchedObject, Unexplained> {
    let client = inspection.client.clone();
    let resource = &found.kind.resource;
    let namespace = options.namespace.as_deref().unwrap_or_else(|| inspection.client.default_namespace());
    let (objects, place) = if found.namespaced {
        let objects = Api::<WatchedObject>::namespaced_with(client, namespace, resource);
        (objects, format!(" in namespace {namespace:?}"))
    } else {
        (Api::all_with(client, resource), String::new())
    };
    let title = found.title();
    match inspection.answered(objects.get_opt(&options.name)).await {
        Ok(Some(object)) => Ok(object),
        Ok(None) => Err(Unexplained::Failed(format!("{title} {:?} is not found{place}", options.name))),
        Err(Unanswered { why, .. }) => {
            Err(Unexplained::Failed(format!("{title} {:?}{place} can't be read: {why}", options.name)))
        }
    }
}
