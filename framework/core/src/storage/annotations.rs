//! Annotations, in Kopf's formats.

use super::{
    BASIS, DIFF_BASE, KOPF_PREFIX, MARKER, TOUCH, keys,
    name::{self, InvalidName},
    place::{Found, Item, Place},
};
use crate::body::Body;
use serde_json::{Map, Value, json};

/// The API server's limit of all annotations of an object, keys included (`TotalAnnotationSizeLimitB`).
pub(crate) const LIMIT: usize = 256 << 10;
/// Left for the progress of handlers. More is there where the essences are small.
const RESERVE: usize = 32 << 10;

/// Things are kept in annotations with a common prefix: that is the default.
///
/// | Annotation | What it holds |
/// |---|---|
/// | `<prefix>/<handler id>` | a handler's progress while a cause is being handled |
/// | `<prefix>/last-handled-configuration` | the diff-base: the essence that was handled last |
/// | `<prefix>/korf-basis` | the diff-base to be, while a cause is being handled (korf's own) |
/// | `<prefix>/kopf-managed` | `yes`: tells Kopf's and korf's operators that the prefix is one of theirs |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations {
    prefix: String,
    /// Kopf's older keys are read and written, too.
    old_keys: bool,
}

impl Annotations {
    /// Annotations that begin with `<prefix>/`.
    ///
    /// # Errors
    /// If the prefix isn't a DNS subdomain, which Kubernetes asks of an annotation's prefix.
    pub fn new(prefix: &str) -> Result<Self, InvalidName> {
        Ok(Self { prefix: name::prefix(prefix)?, old_keys: false })
    }

    /// The annotations that operators made with Kopf use by default.
    pub fn kopf() -> Self {
        Self { prefix: KOPF_PREFIX.to_owned(), old_keys: true }
    }

    /// With the keys that Kopf had before its version 1.28, where they differ: it still reads and writes them.
    #[must_use]
    pub fn with_old_keys(self) -> Self {
        Self { old_keys: true, ..self }
    }

    /// The prefix of all annotations, without the slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The annotations of one item, in the order in which they are read.
    ///
    /// Kopf's newer form and, if wanted, the older one where it differs. Forms that Kubernetes refuses are left out
    /// (Kopf's patch fails with them, so nothing is stored there); if nothing is left, there is one of korf's own.
    pub fn keys(&self, item: Item<'_>, body: &Body) -> Vec<String> {
        let name = match item {
            Item::Progress(id) => id,
            Item::DiffBase => DIFF_BASE,
            Item::Basis => BASIS,
        };
        self.named(name, body)
    }

    fn named(&self, name: &str, body: &Body) -> Vec<String> {
        keys::keys(&self.prefix, name, body, self.old_keys)
    }

    /// The annotation that makes the prefix known as an operator's; Kopf's own needs none (nor do others that begin as
    /// it does: `_store_marker` in `kopf/_cogs/configs/conventions.py`).
    ///
    /// What is written contains it wherever the object doesn't have it yet.
    pub fn marker(&self) -> Option<(String, &'static str)> {
        (!self.prefix.starts_with("kopf.")).then(|| (format!("{}/{MARKER}", self.prefix), "yes"))
    }

    fn store(&self, body: &Body, item: Item<'_>, text: &str) -> Map<String, Value> {
        let text = match item {
            Item::Progress(_) => text.to_owned(),
            // As kubectl has it: so a terminal's next line isn't the same line.
            Item::DiffBase | Item::Basis => format!("{text}\n"),
        };
        let stored = self.keys(item, body).into_iter().map(|key| (key, Value::from(text.clone())));
        let marker = self.marker().filter(|(key, _)| body.annotation(key).is_none());
        stored.chain(marker.map(|(key, value)| (key, value.into()))).collect()
    }
}

impl Place for Annotations {
    fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>> {
        let found = |key: String| Some(Found { text: body.annotation(&key)?.into(), place: key });
        self.keys(item, body).into_iter().filter_map(found).collect()
    }

    fn write(&self, body: &Body, item: Item<'_>, text: Option<&str>) -> Value {
        let mut changes = match text {
            Some(text) => self.store(body, item, text),
            None => present(body, self.keys(item, body)).collect(),
        };
        if matches!(item, Item::Progress(_)) && !changes.is_empty() {
            changes.extend(present(body, self.named(TOUCH, body)));
        }
        if changes.is_empty() { json!({}) } else { json!({"metadata": {"annotations": changes}}) }
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        let annotations = essence.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.retain(|key, _| key.split_once('/').is_none_or(|(prefix, _)| prefix != self.prefix));
        }
    }

    fn room(&self, body: &Body) -> usize {
        let own = [Item::DiffBase, Item::Basis].map(|item| self.keys(item, body)).concat();
        let others = body.annotations().into_iter().flatten().filter(|(key, _)| !own.contains(key));
        LIMIT.saturating_sub(RESERVE).saturating_sub(size(others))
    }
}

/// What annotations count for against the limit.
pub(crate) fn size<'a>(annotations: impl Iterator<Item = (&'a String, &'a Value)>) -> usize {
    annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}

/// Null for those of the annotations that the object has.
fn present(body: &Body, keys: Vec<String>) -> impl Iterator<Item = (String, Value)> {
    let is_present = |key: &String| body.annotation(key).is_some();
    keys.into_iter().filter(is_present).map(|key| (key, Value::Null))
}
