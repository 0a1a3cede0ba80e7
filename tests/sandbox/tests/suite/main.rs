//! The sandbox, tried on itself. One sandbox is shared; what stops or kills servers starts its own.

#![expect(clippy::unwrap_used, reason = "Clippy knows the test functions, not what they call")]

mod control_plane;
mod lifecycle;
mod postgres;
mod proxy;

use std::time::{Duration, Instant};

/// Waits for a condition, within a limit that only a failure reaches.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < limit, "still not so after 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
