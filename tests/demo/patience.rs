//! Waiting, and saying for what.

use crate::{Result, screen::Screen};
use std::time::Duration;
use tokio::time::{Instant, interval_at};

/// How long nothing needs to be said.
const SHORT: Duration = Duration::from_secs(2);

/// Waits for `work`; where that takes longer than two seconds, says for what.
pub async fn patiently<T>(screen: &Screen, what: &str, work: impl Future<Output = T>) -> Result<T> {
    let start = Instant::now();
    let mut remarks = interval_at(start + SHORT, 5 * SHORT);
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
