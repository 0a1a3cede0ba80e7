//! The status, in Kopf's formats (`StatusProgressStorage`, `StatusDiffBaseStorage`).

use super::{
    BASIS, DIFF_BASE,
    place::{Found, Item, Place},
};
use crate::body::Body;
use serde_json::{Map, Value, json};

const PROGRESS: &str = "progress";
/// What Kopf writes to wake itself up; korf only clears it away.
const TOUCH: &str = "dummy";
const FIELDS: [&str; 4] = [PROGRESS, TOUCH, DIFF_BASE, BASIS];

/// Of the API server's limit of an object, about 1.5 MiB: the rest is for `metadata.managedFields`, which aren't seen here,
/// and for progress.
const LIMIT: usize = 1 << 20;

/// Things are kept in one field of the status: progress as mappings, the diff-base as JSON text.
///
/// | Field | What it holds |
/// |---|---|
/// | `status.<name>.progress.<handler id>` | a handler's progress while a cause is being handled |
/// | `status.<name>.last-handled-configuration` | the diff-base: the essence that was handled last |
/// | `status.<name>.korf-basis` | the diff-base to be, while a cause is being handled (korf's own) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InStatus {
    name: String,
}

impl InStatus {
    /// The field `status.<name>`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    fn kept<'a>(&self, body: &'a Body) -> &'a Value {
        &body.value()["status"][self.name.as_str()]
    }

    fn path(&self, field: &str) -> String {
        format!("status.{}.{field}", self.name)
    }
}

impl Place for InStatus {
    fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>> {
        let kept = self.kept(body);
        let essence =
            |name: &str| kept[name].as_str().map(|text| Found { place: self.path(name), text: text.into() });
        let found = match item {
            Item::Progress(id) => kept[PROGRESS].get(id).map(|record| Found {
                place: format!("{}.{id}", self.path(PROGRESS)),
                text: record.to_string().into(),
            }),
            Item::DiffBase => essence(DIFF_BASE),
            Item::Basis => essence(BASIS),
        };
        found.into_iter().collect()
    }

    fn write(&self, body: &Body, item: Item<'_>, text: Option<&str>) -> Value {
        let kept = self.kept(body);
        let mut fields = Map::new();
        let (field, before, after) = match item {
            Item::Progress(id) => {
                let before = &kept[PROGRESS][id];
                let after = text.map(|text| record(before, text));
                (PROGRESS, before, json!({id: after}))
            }
            Item::DiffBase => (DIFF_BASE, &kept[DIFF_BASE], text.into()),
            Item::Basis => (BASIS, &kept[BASIS], text.into()),
        };
        if text.is_none() && before.is_null() {
            return json!({});
        }
        fields.insert(field.to_owned(), after);
        if field == PROGRESS && !kept[TOUCH].is_null() {
            fields.insert(TOUCH.to_owned(), Value::Null);
        }
        json!({"status": {self.name.as_str(): fields}})
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        let Some(Value::Object(status)) = essence.get_mut("status") else { return };
        let is_empty = match status.get_mut(&self.name) {
            Some(Value::Object(kept)) => {
                kept.retain(|field, _| !FIELDS.contains(&field.as_str()));
                kept.is_empty()
            }
            Some(Value::Null) => true,
            _ => false,
        };
        if is_empty {
            status.remove(&self.name);
        }
    }

    fn room(&self, body: &Body) -> usize {
        let kept = self.kept(body);
        let own: usize = [DIFF_BASE, BASIS].iter().map(|name| kept[*name].as_str().map_or(0, str::len)).sum();
        let others = body.value().to_string().len().saturating_sub(own);
        LIMIT.saturating_sub(others)
    }
}

/// The record, with null for what it no longer has: a merge leaves what isn't named.
fn record(before: &Value, text: &str) -> Value {
    let mut record: Value = serde_json::from_str(text).unwrap_or_default();
    if let Value::Object(record) = &mut record {
        for field in before.as_object().into_iter().flat_map(Map::keys) {
            record.entry(field.clone()).or_insert(Value::Null);
        }
    }
    record
}
