//! Kinds that the API server serves.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// The most that the API server may take. It takes a second or so.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until kubectl finds the kinds of these CRDs, each given by its name (`databasetables.kopf.demo`). It blocks the thread.
///
/// `kubectl wait --for=condition=Established` doesn't do: it fails at once where the API server hasn't written any condition yet
/// (kubernetes/kubernetes#66439), and discovery, which `kubectl apply` needs for an object of the kind, comes later.
///
/// # Errors
///
/// [`Error::NotServed`] after half a minute, and those of `kubectl`.
pub fn until_served(kubectl: impl Fn() -> Result<Command>, crds: &[&str]) -> Result<()> {
    let begun = Instant::now();
    loop {
        // It asks the API server, whatever is in kubectl's cache, and puts the answer there.
        let reason = match kubectl()?.args(["api-resources", "--output=name"]).output() {
            Ok(output) => {
                let found = String::from_utf8_lossy(&output.stdout);
                if crds.iter().all(|name| found.lines().any(|line| line == *name)) {
                    return Ok(());
                }
                String::from_utf8_lossy(&output.stderr).trim().to_owned()
            }
            Err(error) => error.to_string(),
        };
        if begun.elapsed() > LIMIT {
            return Err(Error::NotServed { kinds: crds.join(", "), limit: LIMIT, reason });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
