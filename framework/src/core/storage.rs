//! Where korf keeps its things on the object: annotations, in Kopf's formats.
//!
//! | Annotation | What it holds |
//! |---|---|
//! | `<prefix>/<handler id>` | a handler's [`Record`] while a cause is being handled |
//! | `<prefix>/last-handled-configuration` | the diff-base: the essence that was handled last |
//! | `<prefix>/korf-basis` | the diff-base to be, while a cause is being handled (korf's own) |
//! | `<prefix>/kopf-managed` | `yes`: tells Kopf's and korf's operators that the prefix is one of theirs |

mod clean;
mod keys;
mod name;
#[cfg(test)]
mod tests;

pub use clean::Technical;
pub use name::InvalidName;

use super::{
    body::Body,
    diff::resolve,
    essence,
    progress::{Progress, Record, Unreadable},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const KOPF_PREFIX: &str = "kopf.zalando.org";
const MARKER: &str = "kopf-managed";
const DIFF_BASE: &str = "last-handled-configuration";
const BASIS: &str = "korf-basis";
/// What Kopf writes to wake itself up; korf only clears it away.
const TOUCH: &str = "touch-dummy";
/// Where Kopf kept its progress before it used annotations; it still reads and purges it.
const STATUS_PROGRESS: [&str; 3] = ["status", "kopf", "progress"];
/// Where Kopf's `StatusDiffBaseStorage` keeps the diff-base.
const STATUS_DIFF_BASE: [&str; 3] = ["status", "kopf", DIFF_BASE];

/// Where an operator keeps its things on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    prefix: String,
    finalizer: String,
    /// Whether it shares its place with operators made with Kopf.
    kopf: bool,
}

impl Storage {
    /// A place of the operator's own: `<operator>.korf.dev`.
    ///
    /// # Errors
    /// If that isn't a DNS subdomain, which Kubernetes asks of an annotation's prefix.
    pub fn named(operator: &str) -> Result<Self, InvalidName> {
        let prefix = name::prefix(operator)?;
        Ok(Self { finalizer: format!("{prefix}/finalizer"), prefix, kopf: false })
    }

    /// The place that operators made with Kopf use by default: one of them can be followed by korf, or the
    /// other way round.
    pub fn kopf() -> Self {
        let finalizer = format!("{KOPF_PREFIX}/KopfFinalizerMarker");
        Self { prefix: KOPF_PREFIX.to_owned(), finalizer, kopf: true }
    }

    /// The finalizer that holds objects back until the deletion handlers are done.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// The prefix of all annotations, without the slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The annotation that makes the prefix known as an operator's; Kopf's own needs none.
    ///
    /// What this storage writes contains it wherever the object doesn't have it yet.
    pub fn marker(&self) -> Option<(String, &'static str)> {
        (!self.kopf).then(|| (format!("{}/{MARKER}", self.prefix), "yes"))
    }

    /// Whether a handler can't have this id, because something else is kept in its annotation.
    pub fn reserves(id: &str) -> bool {
        [MARKER, DIFF_BASE, BASIS, TOUCH].contains(&keys::safe(id).as_str())
    }

    /// The annotations of one handler's record, in the order in which they are read.
    ///
    /// Kopf's newer form and, in the place shared with Kopf, the older one if it differs. Forms that
    /// Kubernetes refuses are left out (Kopf's patch fails with them, so nothing is stored there); if
    /// nothing is left, there is one of korf's own.
    pub fn progress_keys(&self, id: &str, body: &Body) -> Vec<String> {
        keys::keys(&self.prefix, id, body, self.kopf)
    }

    fn keys(&self, name: &str, body: &Body) -> Vec<String> {
        keys::keys(&self.prefix, name, body, self.kopf)
    }

    /// The records of these handlers; `now` is the start of those that name none.
    ///
    /// In the place shared with Kopf, `status.kopf.progress` is read too, after the annotations.
    pub fn read_progress<'a>(
        &self,
        body: &Body,
        ids: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
    ) -> Progress {
        ids.into_iter().fold(Progress::default(), |progress, id| {
            let mut unreadable = Vec::new();
            let record = self.stored(body, id).find_map(|(place, value)| {
                let record = value.and_then(|value| Record::from_json(&value, now));
                record.map_err(|reason| unreadable.push(Unreadable { place, reason })).ok()
            });
            let progress = progress.with_unreadable(id, unreadable);
            match record {
                Some(record) => progress.with(id, record),
                None => progress,
            }
        })
    }

    fn stored(&self, body: &Body, id: &str) -> impl Iterator<Item = (String, Result<Value, String>)> {
        let annotations = self.progress_keys(id, body).into_iter().filter_map(|key| {
            let value = decode(body.annotation(&key)?);
            Some((key, value))
        });
        let status = self.kopf.then(|| resolve(body.value(), &STATUS_PROGRESS).get(id)).flatten();
        let status = status.map(|value| (format!("{}.{id}", STATUS_PROGRESS.join(".")), Ok(value.clone())));
        annotations.chain(status).filter(|(_, value)| value != &Ok(Value::Null))
    }

    /// The annotations to be merged into the object so that it says `new` where it said `old`.
    ///
    /// Changed records as text, and null for those that are gone and on the object, their sub-handlers'
    /// included. Empty if there is nothing to change.
    pub fn write_progress(&self, body: &Body, old: &Progress, new: &Progress) -> Map<String, Value> {
        let mut changes = Map::new();
        for id in old.dropped_in(new) {
            changes.extend(present(body, self.progress_keys(id, body)));
        }
        for (id, record) in old.changed_in(new) {
            let text = record.to_json();
            changes.extend(self.progress_keys(id, body).into_iter().map(|key| (key, text.clone().into())));
        }
        if !changes.is_empty() {
            changes.extend(present(body, self.keys(TOUCH, body)));
        }
        self.marked(body, changes)
    }

    /// The status to be merged into the object so that records which Kopf left there don't come back: none
    /// in a place of korf's own, and wherever there are none.
    pub fn write_status_progress(&self, body: &Body, old: &Progress, new: &Progress) -> Option<Value> {
        let stored = self.kopf.then(|| resolve(body.value(), &STATUS_PROGRESS).as_object()).flatten()?;
        let dropped = old.dropped_in(new).into_iter().filter(|id| stored.contains_key(*id));
        let dropped: Map<_, _> = dropped.map(|id| (id.to_owned(), Value::Null)).collect();
        (!dropped.is_empty()).then(|| json!({"kopf": {"progress": dropped}}))
    }

    /// The essence that was handled last; none while the object is new, and where it can't be read (see
    /// [`Storage::faults`]).
    ///
    /// It is cleaned as the current essence is, so that what isn't the user's never makes a difference.
    pub fn read_diff_base(&self, body: &Body) -> Option<Value> {
        self.read_essence(DIFF_BASE, body)
    }

    /// The annotations that make `essence` the diff-base, and the end of the basis.
    pub fn write_diff_base(&self, body: &Body, essence: &Value) -> Map<String, Value> {
        let mut changes = self.annotated(body, DIFF_BASE, essence);
        changes.extend(present(body, self.keys(BASIS, body)));
        self.marked(body, changes)
    }

    /// The essence that the first of the finished handlers saw; none before one has finished.
    pub fn read_basis(&self, body: &Body) -> Option<Value> {
        self.read_essence(BASIS, body)
    }

    /// The annotations that make `essence` the basis.
    pub fn write_basis(&self, body: &Body, essence: &Value) -> Map<String, Value> {
        self.marked(body, self.annotated(body, BASIS, essence))
    }

    /// The annotations that erase the basis; empty if there is none.
    pub fn erase_basis(&self, body: &Body) -> Map<String, Value> {
        present(body, self.keys(BASIS, body)).collect()
    }

    /// Diff-bases and bases that can't be read, and so count as absent: an object with such a diff-base is
    /// taken for a new one.
    pub fn faults(&self, body: &Body) -> Vec<Unreadable> {
        let texts = [DIFF_BASE, BASIS].into_iter().flat_map(|name| self.texts(name, body));
        texts
            .filter_map(|(place, text)| Some(Unreadable { place, reason: decode_essence(text).err()? }))
            .collect()
    }

    fn read_essence(&self, name: &str, body: &Body) -> Option<Value> {
        let mut texts = self.texts(name, body).into_iter();
        let mut essence = texts.find_map(|(_, text)| decode_essence(text).ok().flatten())?;
        self.clean(body, &mut essence);
        essence::secret::conceal(body, &mut essence);
        Some(essence.into())
    }

    /// Where an essence is kept, and its text there; in the place shared with Kopf, the status comes last.
    fn texts<'a>(&self, name: &str, body: &'a Body) -> Vec<(String, &'a str)> {
        let annotated = self.keys(name, body).into_iter().map(|key| {
            let text = body.annotation(&key);
            (key, text)
        });
        let in_status = (self.kopf && name == DIFF_BASE).then(|| {
            let text = resolve(body.value(), &STATUS_DIFF_BASE).as_str();
            (STATUS_DIFF_BASE.join("."), text)
        });
        annotated.chain(in_status).filter_map(|(place, text)| Some((place, text?))).collect()
    }

    fn annotated(&self, body: &Body, name: &str, essence: &Value) -> Map<String, Value> {
        let text = encode(essence);
        self.keys(name, body).into_iter().map(|key| (key, text.clone().into())).collect()
    }

    /// With the marker, if something is written and the object has none.
    fn marked(&self, body: &Body, mut changes: Map<String, Value>) -> Map<String, Value> {
        let writes = changes.values().any(|value| !value.is_null());
        if let Some((key, value)) = self.marker().filter(|(key, _)| writes && body.annotation(key).is_none())
        {
            changes.insert(key, value.into());
        }
        changes
    }
}

/// Null for those of the annotations that the object has.
fn present(body: &Body, keys: Vec<String>) -> impl Iterator<Item = (String, Value)> {
    let is_present = |key: &String| body.annotation(key).is_some();
    keys.into_iter().filter(is_present).map(|key| (key, Value::Null))
}

/// The text of an essence: compact JSON and, as Kopf and kubectl have it, a line end.
fn encode(essence: &Value) -> String {
    ascii(&essence.to_string()) + "\n"
}

/// What [`encode`] or Kopf wrote; none for null, which is the same as absent.
fn decode_essence(text: &str) -> Result<Option<Map<String, Value>>, String> {
    match decode(text)? {
        Value::Object(essence) => Ok(Some(essence)),
        Value::Null => Ok(None),
        _ => Err("it isn't a mapping".to_owned()),
    }
}

/// Whatever JSON an annotation holds.
fn decode(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The same JSON with everything but printable ASCII escaped, as Python writes it.
pub(super) fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            // Only within strings: JSON's own signs are ASCII.
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}
