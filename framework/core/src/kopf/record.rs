//! Records as JSON, byte for byte as Kopf writes them (`ProgressRecord` in `kopf/_cogs/configs/progress.py`), so that one
//! operator continues where the other has stopped.

#[cfg(test)]
mod tests;

use super::json::ascii;
use crate::{
    Reason,
    progress::{Record, to_micros},
};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

impl Record {
    /// The JSON: compact, in this order of fields, without nulls, in ASCII (`json.dumps` of Python).
    ///
    /// The last three, `refused`, `waits` and `later`, are korf's own, and are written only if they are true.
    pub fn to_json(&self) -> String {
        let time = |time: Option<Timestamp>| time.map(|time| Value::from(format(time)));
        let subrefs = (!self.subrefs.is_empty()).then(|| self.subrefs.iter().cloned().collect());
        let fields = [
            ("started", time(Some(self.started))),
            ("stopped", time(self.stopped)),
            ("delayed", time(self.delayed)),
            ("purpose", self.purpose.map(|purpose| purpose.as_str().into())),
            ("retries", Some(self.retries.into())),
            ("success", Some(self.success.into())),
            ("failure", Some(self.failure.into())),
            ("message", self.message.as_deref().map(Value::from)),
            ("subrefs", subrefs),
            ("refused", self.rejected.then_some(Value::Bool(true))),
            ("waits", self.waits.then_some(Value::Bool(true))),
            ("later", self.saw_newer.then_some(Value::Bool(true))),
        ];
        let written = fields.into_iter().filter_map(|(name, value)| Some(format!(r#""{name}":{}"#, value?)));
        ascii(&format!("{{{}}}", written.collect::<Vec<_>>().join(",")))
    }

    /// Reads a record of Kopf 1.3x and later, or of korf; `now` is the start if it names none.
    ///
    /// As in Kopf, null and absent fields have their defaults, and an unknown purpose is none.
    ///
    /// # Errors
    /// A description of what isn't as it should be.
    pub fn from_json(value: &Value, now: Timestamp) -> Result<Self, String> {
        let stored = Stored::deserialize(value).map_err(|error| error.to_string())?;
        let time = |text: Option<String>| text.as_deref().map(parse).transpose();
        Ok(Self {
            started: time(stored.started)?.unwrap_or(to_micros(now)),
            stopped: time(stored.stopped)?,
            delayed: time(stored.delayed)?,
            purpose: Reason::ALL
                .into_iter()
                .filter(|reason| *reason == reason.purpose())
                .find(|purpose| stored.purpose.as_deref() == Some(purpose.as_str())),
            retries: stored.retries.unwrap_or_default(),
            success: stored.success.unwrap_or_default(),
            failure: stored.failure.unwrap_or_default(),
            message: stored.message,
            subrefs: stored.subrefs.unwrap_or_default().into_iter().collect(),
            rejected: stored.refused.unwrap_or_default(),
            waits: stored.waits.unwrap_or_default(),
            saw_newer: stored.later.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct Stored {
    started: Option<String>,
    stopped: Option<String>,
    delayed: Option<String>,
    purpose: Option<String>,
    retries: Option<u32>,
    success: Option<bool>,
    failure: Option<bool>,
    message: Option<String>,
    subrefs: Option<Vec<String>>,
    refused: Option<bool>,
    waits: Option<bool>,
    later: Option<bool>,
}

/// A UTC time as `isoformat(timespec='microseconds')` writes it.
pub(crate) fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// The start of the year 1. Times before it are not read as they were written, and Python doesn't have them.
const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// Any ISO 8601 time. One without an offset, as older versions of Kopf wrote it, is UTC.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    let zoned = text.parse::<Timestamp>();
    let time = zoned.or_else(|error| {
        let civil = text.parse::<civil::DateTime>().map_err(|_| error)?;
        Ok(civil.to_zoned(TimeZone::UTC)?.timestamp())
    });
    let time = to_micros(time.map_err(|error: jiff::Error| error.to_string())?);
    if time < FIRST { Err("it is before the year 1".to_owned()) } else { Ok(time) }
}
