//! Records of peers, as Kopf reads and writes them (`kopf/_core/engines/peering.py`).

use crate::kopf::{format_time, parse_time};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The field of a record that Kopf doesn't know.
const OURS: &str = "korf";

/// The longest message that is kept, in characters.
const MESSAGE: usize = 200;

/// What a peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The greater one comes first. Kopf's are whole numbers of any size; here, the greatest one stands for those above it.
    pub priority: i64,
    /// For how long the record counts, in whole seconds.
    pub lifetime: Duration,
    /// When it was written, by the clock of its writer. A record without that counts as long as it is there.
    pub seen: Option<Timestamp>,
    /// What korf knows besides.
    pub role: Role,
}

/// What kind of peer it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An operator of Kopf, or a freeze by its command.
    Kopf,
    /// An operator of korf.
    Operator(Working),
    /// A freeze by korf's command.
    Freeze(Freeze),
}

/// What an operator of korf says of itself besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Working {
    /// Of operators with one priority, the one with the smallest number comes first. Each takes the next one when it joins: it is
    /// no time, so no clock can be wrong.
    pub order: u64,
    /// It is at work, or what it has begun hasn't ended.
    pub at_work: bool,
    /// What its replicas have in common: they don't pause for each other.
    pub replica_of: Option<String>,
}

/// A pause that somebody has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freeze {
    /// Why.
    pub message: Option<String>,
}

impl Record {
    /// Reads a record as Kopf does, with its defaults. What can't be read has its default, too: one bad record isn't to bring all
    /// operators down. None if it is no record at all.
    pub fn from_json(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let lifetime = fields.get("lifetime").and_then(whole).unwrap_or(60);
        Some(Self {
            priority: fields.get("priority").and_then(whole).unwrap_or(0),
            lifetime: Duration::from_secs(u64::try_from(lifetime).unwrap_or(0)),
            seen: fields.get("lastseen").and_then(Value::as_str).map(|text| {
                // By its changes alone, then.
                parse_time(text).unwrap_or(Timestamp::MAX)
            }),
            role: Role::of(fields),
        })
    }

    /// The record, as the status has it.
    pub fn to_json(&self) -> Value {
        let mut record = json!({"priority": self.priority, "lifetime": self.lifetime.as_secs()});
        if let Some(seen) = self.seen {
            record["lastseen"] = format_time(seen).into();
        }
        match &self.role {
            Role::Kopf => {}
            Role::Operator(Working { order, at_work, replica_of }) => {
                // A null takes away what an earlier process of the same identity has left.
                record[OURS] =
                    json!({"order": order, "atWork": at_work, "replicaOf": replica_of, "freeze": null});
            }
            Role::Freeze(Freeze { message }) => {
                let message = message.as_ref().map(|text| text.chars().take(MESSAGE).collect::<String>());
                record[OURS] = json!({"freeze": true, "message": message});
            }
        }
        record
    }
}

impl Role {
    fn of(record: &Map<String, Value>) -> Self {
        let Some(ours) = record.get(OURS).and_then(Value::as_object) else { return Self::Kopf };
        let text = |name: &str| ours.get(name).and_then(Value::as_str).map(str::to_owned);
        if ours.get("freeze").and_then(Value::as_bool).unwrap_or(false) {
            return Self::Freeze(Freeze { message: text("message") });
        }
        Self::Operator(Working {
            order: ours.get("order").and_then(Value::as_u64).unwrap_or(0),
            at_work: ours.get("atWork").and_then(Value::as_bool).unwrap_or(true),
            replica_of: text("replicaOf"),
        })
    }
}

/// A whole number, as Python's `int` takes it.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is out of range becomes the nearest number"
            )]
            number.as_f64().map(|number| number as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
