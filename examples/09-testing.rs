//! Tests of an operator, without a cluster, and without waiting for retries.
//!
//! Kopf's `KopfRunner` runs the operator on a real cluster, and tests sleep until something should have happened.
//! `korf_testing::Cluster` is a cluster in memory. The operator, with its watches, patches and retries, is the real one.
//! Time stands still until the test calls `advance`. And `crash::check` kills the operator at every point
//! where it can die, restarts it, and checks that its effects on the outside world are the same each time.
//!
//! ```sh
//! cargo test --test testing
//! cargo run --example 09-testing -- crd | kubectl apply -f -
//! cargo run --example 09-testing -- run --all-namespaces
//! kubectl apply -f examples/kopf-example.yaml
//! ```

use korf::{Attempt, Error, Name, Result, Spec, State};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, process::ExitCode, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// An object for the handlers.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(group = "kopf.dev", version = "v1", kind = "KopfExample", plural = "kopfexamples")]
#[kube(namespaced, shortname = "kex")]
struct KopfExampleSpec {
    field: String,
}

/// The outside world. It has one letter per name, even if the letter is written again.
type Letters = Arc<Mutex<BTreeSet<String>>>;

#[korf::on_create(KopfExample)]
async fn write(name: Name, spec: Spec<KopfExampleSpec>, past: Attempt, letters: State<Letters>) -> Result {
    if spec.field == "busy" && past.0 == 0 {
        return Err(Error::temporary("the person is busy", Duration::from_secs(60)));
    }
    letters.lock().await.insert(name.to_string());
    tracing::info!("Wrote to {name}.");
    Ok(())
}

fn main() -> ExitCode {
    korf::cli::main(korf::Operator::new("testing").state(Letters::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use korf::Operator;
    use korf_testing::{Cluster, crash};

    fn operator(letters: &Letters) -> Operator {
        Operator::new("testing").state(Arc::clone(letters))
    }

    fn busy() -> KopfExample {
        KopfExample::new("a", KopfExampleSpec { field: "busy".into() })
    }

    #[test]
    fn a_busy_person_gets_the_letter_a_minute_later() {
        let mut cluster = Cluster::of(|| operator(&Letters::default())).unwrap();
        cluster.create(&busy()).unwrap();
        cluster.assert_logged("a", "will try again in 60 seconds: the person is busy");
        cluster.advance(Duration::from_secs(60));
        cluster.assert_logged("a", "Wrote to a.");
        let patch = cluster.writes().pop().unwrap().request.body;
        assert!(patch["metadata"]["annotations"]["testing.korf.dev/last-handled-configuration"].is_string());
    }

    #[test]
    fn the_letter_is_written_wherever_the_operator_dies() {
        let story = |cluster: &mut Cluster, _: &Letters| cluster.create(&busy()).map(drop);
        let outcome = |_: &Cluster, letters: &Letters| letters.blocking_lock().clone();
        crash::check(Letters::default, operator, story, outcome).unwrap_or_else(|found| panic!("{found}"));
    }
}
