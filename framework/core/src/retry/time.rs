//! Durations in log lines.

use std::time::Duration;

/// Seconds as people write them: `60`, `1.5`, `0.83`.
pub fn seconds(duration: Duration) -> String {
    let rounded = (duration.as_secs_f64() * 100.0).round() / 100.0;
    rounded.to_string()
}
