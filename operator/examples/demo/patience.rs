//! Waiting that tells the user what it waits for.

use crate::{Result, screen::Screen};
use std::time::Duration;
use tokio::time::{Instant, interval_at};

/// How long the demo waits without a remark.
const QUIET: Duration = Duration::from_secs(2);

/// Waits for `work`. If that takes longer than two seconds, shows `what` it is doing and for how long.
pub async fn patiently<T>(screen: &Screen, what: &str, work: impl Future<Output = T>) -> Result<T> {
    let start = Instant::now();
    let mut remarks = interval_at(start + QUIET, 5 * QUIET);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = remarks.tick() => {
                screen.note(&format!("  … {what} ({} s so far)", start.elapsed().as_secs()))?;
            }
        }
    }
}
