//! Records as JSON, in Kopf's form.

use super::{super::Reason, Record};
use crate::storage::ascii;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

const PURPOSES: [Reason; 4] = [Reason::Create, Reason::Update, Reason::Delete, Reason::Resume];

impl Record {
    /// The JSON: compact, in this order of fields, nulls left out, ASCII alone (`json.dumps` of Python).
    ///
    /// The last two, `refused` and `later`, are korf's own, and stand there only if true.
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
            ("refused", self.refused.then_some(Value::Bool(true))),
            ("later", self.later.then_some(Value::Bool(true))),
        ];
        let written = fields.into_iter().filter_map(|(name, value)| Some(format!(r#""{name}":{}"#, value?)));
        ascii(&format!("{{{}}}", written.collect::<Vec<_>>().join(",")))
    }

    /// A record as Kopf 1.3x and later, or korf, wrote it; `now` is the start where it names none.
    ///
    /// As in Kopf, what is null or absent has its default, and a purpose that korf doesn't know is none.
    ///
    /// # Errors
    /// A text that says what isn't as it should be.
    pub fn from_json(value: &Value, now: Timestamp) -> Result<Self, String> {
        let stored = Stored::deserialize(value).map_err(|error| error.to_string())?;
        let time = |text: Option<String>| text.as_deref().map(parse).transpose();
        Ok(Self {
            started: time(stored.started)?.unwrap_or(super::to_micros(now)),
            stopped: time(stored.stopped)?,
            delayed: time(stored.delayed)?,
            purpose: PURPOSES.into_iter().find(|purpose| stored.purpose.as_deref() == Some(purpose.as_str())),
            retries: stored.retries.unwrap_or_default(),
            success: stored.success.unwrap_or_default(),
            failure: stored.failure.unwrap_or_default(),
            message: stored.message,
            subrefs: stored.subrefs.unwrap_or_default().into_iter().collect(),
            refused: stored.refused.unwrap_or_default(),
            later: stored.later.unwrap_or_default(),
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
    later: Option<bool>,
}

/// As `isoformat(timespec='microseconds')` writes a UTC time.
fn format(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// The start of the year 1. Nothing before it is read again as it was written, nor does Python have such times.
const FIRST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// Any ISO 8601 time; one without an offset is UTC, which is what older Kopfs wrote.
fn parse(text: &str) -> Result<Timestamp, String> {
    let zoned = text.parse::<Timestamp>();
    let time = zoned.or_else(|error| {
        let civil = text.parse::<civil::DateTime>().map_err(|_| error)?;
        Ok(civil.to_zoned(TimeZone::UTC)?.timestamp())
    });
    let time = super::to_micros(time.map_err(|error: jiff::Error| error.to_string())?);
    if time < FIRST { Err("it is before the year 1".to_owned()) } else { Ok(time) }
}
