//! Times as Kopf prints them.

use std::time::Duration;

/// Seconds as people write them: `60`, `1.5`, `0.83`.
pub fn seconds(duration: Duration) -> String {
    let rounded = (duration.as_secs_f64() * 100.0).round() / 100.0;
    rounded.to_string()
}

/// As Python prints a time delta: `0:01:30.250000`, `2 days, 0:00:07`.
pub(super) struct Clock(pub Duration);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, micros) = (self.0.as_secs(), self.0.subsec_micros());
        match whole / 86_400 {
            0 => {}
            1 => f.write_str("1 day, ")?,
            days => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", whole / 3600 % 24, whole / 60 % 60, whole % 60)?;
        if micros == 0 { Ok(()) } else { write!(f, ".{micros:06}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_an_attempt_took_is_printed_as_python_does() {
        let cases = [
            (Duration::ZERO, "0:00:00"),
            (Duration::from_micros(1_000_001), "0:00:01.000001"),
            (Duration::from_secs(86_399), "23:59:59"),
            (Duration::from_secs(86_400), "1 day, 0:00:00"),
            (Duration::from_millis(180_007_500), "2 days, 2:00:07.500000"),
        ];
        for (duration, text) in cases {
            assert_eq!(Clock(duration).to_string(), text);
        }
    }
}
