//! Tests of the sandbox itself. They share one sandbox, except for those that stop or kill servers.

#![expect(
    clippy::unwrap_used,
    reason = "Clippy allows it in test functions, but not in the functions that they call"
)]

mod control_plane;
mod lifecycle;
mod postgres;
mod programs;
mod proxy;
mod trap;

use std::time::{Duration, Instant};

/// Waits for a condition, with a time limit that is reached only if something is wrong.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < limit, "timed out after 30 s waiting until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
