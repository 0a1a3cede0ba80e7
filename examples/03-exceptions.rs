//! Handlers that fail, permanently or temporarily. A failed handler doesn't affect the object's other
//! handlers.
//!
//! | Kopf | here |
//! |---|---|
//! | `raise kopf.PermanentError("…")` | `Err(Error::permanent("…"))`, or `.permanent()?` on a result |
//! | `raise kopf.TemporaryError("…", delay=1)` | `Err(Error::temporary("…", delay))`, or `.retry_in(delay)?` |
//! | any other exception | any other error, by `?` |
//! | `retry` | `Attempt`: the number of earlier attempts |
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

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

/// Fails permanently.
#[korf::on_create(KopfExample)]
async fn instant_failure() -> Result {
    Err(Error::permanent("Fail once and for all."))
}

/// Fails temporarily, twice.
#[korf::on_create(KopfExample)]
async fn eventual_success(Attempt(before): Attempt) -> Result {
    if before < 2 {
        return Err(Error::temporary("Expected recoverable error.", SECOND));
    }
    tracing::info!("Succeeded after {before} failures.");
    Ok(())
}

/// Fails with an ordinary error, which is retried. Here, it is limited to two attempts.
#[korf::on_create(KopfExample, retries = 2, backoff = SECOND)]
async fn eventual_failure(spec: Spec<KopfExampleSpec>) -> Result {
    let number: u32 = spec.field.parse()?;
    tracing::info!("{number} is a number.");
    Ok(())
}

/// Fails with the same error, which the option `errors` makes permanent.
#[korf::on_create(KopfExample, errors = permanent)]
async fn instant_failure_by_option(spec: Spec<KopfExampleSpec>) -> Result {
    let _: u32 = spec.field.parse()?;
    Ok(())
}

/// Fails with the same error, which the handler itself makes permanent.
#[korf::on_create(KopfExample)]
async fn instant_failure_by_method(spec: Spec<KopfExampleSpec>) -> Result {
    let _: u32 = spec.field.parse().permanent()?;
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main("exceptions")
}
