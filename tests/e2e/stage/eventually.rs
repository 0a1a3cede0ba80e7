//! Waiting for what nobody announces.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// The longest time that anything here may take; only a failure reaches it.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Reads something until it is as it should be, and returns it.
pub async fn eventually<T: Debug>(
    what: &str,
    mut read: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let limit = Instant::now() + LIMIT;
    loop {
        let found = read().await;
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < limit, "not so after {} s: {what}; it is {found:#?}", LIMIT.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
