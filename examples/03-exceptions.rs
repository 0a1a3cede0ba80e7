//! Handlers that fail, and what becomes of them. One that has failed is no hindrance to the others of the object.
//!
//! | Kopf | here |
//! |---|---|
//! | `raise kopf.PermanentError("…")` | `Err(Error::permanent("…"))`, or `.permanent()?` on a result |
//! | `raise kopf.TemporaryError("…", delay=1)` | `Err(Error::temporary("…", delay))`, or `.retry_in(delay)?` |
//! | any other exception | any other error, by `?` |
//! | `retry` | `Attempt`: how many attempts there were before |
//! | `retries=3, timeout=…, backoff=1, errors=kopf.ErrorsMode.PERMANENT` | `retries = 3, timeout = …, backoff = …, errors = permanent` |
//!
//! ```sh
//! cargo run --example 03-exceptions -- crd | kubectl apply -f -
//! cargo run --example 03-exceptions -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! ```

use korf::{Attempt, Error, Result, ResultExt, Spec};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{process::ExitCode, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// Something to be handled.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

/// Nothing helps.
#[korf::on_create(KopfExample)]
async fn instant_failure() -> Result {
    Err(Error::permanent("Fail once and for all."))
}

/// Patience helps.
#[korf::on_create(KopfExample)]
async fn eventual_success(Attempt(before): Attempt) -> Result {
    if before < 2 {
        return Err(Error::temporary("Expected recoverable error.", SECOND));
    }
    tracing::info!("Succeeded after {before} failures.");
    Ok(())
}

/// An error that says nothing of itself is taken for a temporary one, here at most twice.
#[korf::on_create(KopfExample, retries = 2, backoff = SECOND)]
async fn eventual_failure(spec: Spec<KopfExampleSpec>) -> Result {
    let number: u32 = spec.field.parse()?;
    tracing::info!("{number} is a number.");
    Ok(())
}

/// The same error, for which this handler has another use.
#[korf::on_create(KopfExample, errors = permanent)]
async fn instant_failure_by_option(spec: Spec<KopfExampleSpec>) -> Result {
    let _: u32 = spec.field.parse()?;
    Ok(())
}

/// The same again, and the handler says so itself.
#[korf::on_create(KopfExample)]
async fn instant_failure_by_method(spec: Spec<KopfExampleSpec>) -> Result {
    let _: u32 = spec.field.parse().permanent()?;
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("exceptions", |operator| operator)
}
