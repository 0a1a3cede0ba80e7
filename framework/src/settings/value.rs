//! Types of settings: how each is read and written as text.

use super::{InvalidSetting, limits};
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

/// A type of settings.
pub(super) trait Value: Sized {
    const EXPECTED: &'static str;

    fn read(text: &str) -> Option<Self>;

    fn text(&self) -> String;

    /// What it has to be instead, if it is less than this, or too much.
    fn misfit(&self, least: Duration) -> Option<String>;
}

/// The value that the text of a setting stands for.
pub(super) fn parse<V: Value>(name: &str, value: &str) -> Result<V, InvalidSetting> {
    V::read(value.trim()).ok_or_else(|| InvalidSetting::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        expected: V::EXPECTED,
    })
}

/// The number before a unit, and the unit.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

impl Value for Duration {
    const EXPECTED: &'static str = "a number with a unit, `ms`, `s`, `m` or `h`: `30s`";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Self::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
    }

    fn text(&self) -> String {
        match self.subsec_millis() {
            0 => format!("{}s", self.as_secs()),
            _ => format!("{}ms", self.as_millis()),
        }
    }

    fn misfit(&self, least: Duration) -> Option<String> {
        limits::of_time(*self, least)
    }
}

impl Value for Vec<Duration> {
    const EXPECTED: &'static str = "durations with commas between them: `200ms,1s,5s`";

    fn read(text: &str) -> Option<Self> {
        text.split(',').map(|part| Duration::read(part.trim())).collect()
    }

    fn text(&self) -> String {
        self.iter().map(Value::text).collect::<Vec<_>>().join(",")
    }

    fn misfit(&self, least: Duration) -> Option<String> {
        limits::of_delays(self, least)
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        None
    }
}

impl Value for usize {
    const EXPECTED: &'static str = "a whole number of at least 1";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0)
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        (*self == 0).then(|| "give it at least 1".to_owned())
    }
}

impl Value for Bytes {
    const EXPECTED: &'static str = "a number of bytes, `KiB` or `MiB`: `8MiB`";

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text);
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            _ => return None,
        };
        number.parse::<usize>().ok()?.checked_mul(1 << shift).map(Self)
    }

    fn text(&self) -> String {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
            bytes => bytes.to_string(),
        }
    }

    fn misfit(&self, _: Duration) -> Option<String> {
        None
    }
}
