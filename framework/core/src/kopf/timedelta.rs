//! Durations as Python prints them.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

/// A duration as `timedelta` prints it: `0:01:30.250000`, `2 days, 0:00:07`.
pub(crate) struct Timedelta(pub Duration);

impl Display for Timedelta {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
    fn durations_are_printed_as_python_does() {
        let cases = [
            (Duration::ZERO, "0:00:00"),
            (Duration::from_micros(1_000_001), "0:00:01.000001"),
            (Duration::from_secs(86_399), "23:59:59"),
            (Duration::from_secs(86_400), "1 day, 0:00:00"),
            (Duration::from_millis(180_007_500), "2 days, 2:00:07.500000"),
        ];
        for (duration, text) in cases {
            assert_eq!(Timedelta(duration).to_string(), text);
        }
    }
}
