//! Locations on an object where an operator stores its state: annotations, the status, or a location of one's own.

use super::keys::{self, InvalidName, KnownKeys};
use crate::{
    Part,
    body::{ANNOTATIONS_LIMIT, Body, size_of_annotations},
    kopf::{self, DIFF_BASE},
    merge::compose_all,
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, fmt, sync::Arc};

/// The pending diff-base, in annotations and in the status.
pub(super) const PENDING_DIFF_BASE: &str = "korf-basis";

/// The object's uid, in annotations and in the status.
pub(super) const UID: &str = "korf-uid";

/// One of the things that an operator stores on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot<'a> {
    /// The progress of the handler with this id, while a change is being handled.
    Progress(&'a str),
    /// The essence that was handled last.
    DiffBase,
    /// The essence that becomes the diff-base, while a change is being handled.
    PendingDiffBase,
    /// The uid of the object that all this was stored on: what is copied with an object has another one.
    Uid,
}

/// A text that was found on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where it was, for people: an annotation's key, or the path of a field.
    pub path: String,
    /// Its JSON.
    pub text: Cow<'a, str>,
}

/// The capacity of a location that doesn't define its own.
const CAPACITY: usize = 128 << 10;

/// A location on the object where an operator stores its state, to be given to `Operator::storage`.
///
/// Everything that is stored is JSON text; a location defines where on the object it is stored, and needn't know what it
/// means. Its methods are plain functions of the object. korf has two locations, [`InAnnotations`] and [`InStatus`], and
/// [`Migrating`] for changing from one to another.
///
/// Reads must return what was written, also if others use the location, too; otherwise handlers are called again and
/// again.
///
/// ```
/// use korf_core::storage::{Found, Slot, Location};
/// use korf_core::body::Body;
/// use serde_json::{Map, Value, json};
///
/// /// In the spec of the object itself.
/// #[derive(Debug)]
/// struct InSpec;
///
/// fn name(slot: Slot<'_>) -> String {
///     match slot {
///         Slot::Progress(id) => format!("handler {id}"),
///         Slot::DiffBase => "handled".into(),
///         Slot::PendingDiffBase => "being handled".into(),
///         Slot::Uid => "uid".into(),
///     }
/// }
///
/// impl Location for InSpec {
///     fn read<'a>(&self, body: &'a Body, slot: Slot<'_>) -> Vec<Found<'a>> {
///         let name = name(slot);
///         let text = body.value()["spec"]["operator"][&name].as_str();
///         text.map(|text| Found { path: format!("spec.operator.{name}"), text: text.into() }).into_iter().collect()
///     }
///
///     fn write(&self, _: &Body, slot: Slot<'_>, text: Option<&str>) -> Value {
///         json!({"spec": {"operator": {name(slot): text}}})
///     }
///
///     fn clean(&self, essence: &mut Map<String, Value>) {
///         if let Some(Value::Object(spec)) = essence.get_mut("spec") {
///             spec.remove("operator");
///         }
///     }
/// }
/// ```
pub trait Location: fmt::Debug + Send + Sync + 'static {
    /// The texts in a slot. Where there are several, the first one that can be decoded counts.
    fn read<'a>(&self, body: &'a Body, slot: Slot<'_>) -> Vec<Found<'a>>;

    /// The merge patch of the object that stores a text in a slot or, without a text, erases the slot. An empty mapping
    /// if there is nothing to do.
    fn write(&self, body: &Body, slot: Slot<'_>, text: Option<&str>) -> Value;

    /// Removes everything that is stored here from an essence: handlers would be called for it.
    fn clean(&self, essence: &mut Map<String, Value>);

    /// Whether a merge patch of the object may change what is stored here. If not, no copy of the object is needed to find
    /// out; true by default.
    fn may_be_changed_by(&self, _patch: &Map<String, Value>) -> bool {
        true
    }

    /// The part of the object in which everything is stored; the object itself by default, and not its status. Its request
    /// comes last: all slots have to be in one part, so that a crash between two requests leaves the cycle open.
    fn part(&self) -> Part {
        Part::Object
    }

    /// The bytes that diff-base and pending diff-base may take together; 128 KiB by default.
    ///
    /// The API server rejects more than 256 KiB of annotations and objects of more than about 1.5 MiB.
    fn capacity(&self, _: &Body) -> usize {
        CAPACITY
    }
}

/// Bytes that are reserved for the progress of handlers. It gets more where the essences are small.
const RESERVE: usize = 32 << 10;

/// Annotations with a common prefix, in Kopf's formats: the default location.
///
/// | Annotation | Content |
/// |---|---|
/// | `<prefix>/<handler id>` | a handler's progress while a change is being handled |
/// | `<prefix>/last-handled-configuration` | the diff-base: the essence that was handled last |
/// | `<prefix>/korf-basis` | the pending diff-base, while a change is being handled (korf's own) |
/// | `<prefix>/korf-uid` | the uid of the object that these belong to (korf's own; never under Kopf's names) |
/// | `<prefix>/kopf-managed` | `yes`: marks the prefix as an operator's, for Kopf's and korf's operators |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InAnnotations {
    prefix: String,
    /// Kopf's older keys are read and written, too.
    old_keys: bool,
    known: KnownKeys,
}

impl InAnnotations {
    /// Annotations that begin with `<prefix>/`.
    ///
    /// # Errors
    /// The prefix isn't a DNS subdomain, as Kubernetes requires.
    pub fn new(prefix: &str) -> Result<Self, InvalidName> {
        Ok(Self { prefix: keys::check_prefix(prefix)?, old_keys: false, known: KnownKeys::default() })
    }

    /// The annotations that operators made with Kopf use by default.
    pub fn kopf() -> Self {
        Self { prefix: kopf::PREFIX.to_owned(), old_keys: true, known: KnownKeys::default() }
    }

    /// Adds the keys that Kopf had before its version 1.28, where they differ: it still reads and writes them.
    #[must_use]
    pub fn with_old_keys(self) -> Self {
        Self { old_keys: true, known: KnownKeys::default(), ..self }
    }

    /// The prefix of all annotations, without the slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The annotations of a slot, in the order in which they are read.
    ///
    /// Kopf's newer form and, if wanted, the older one where it differs. Keys that Kubernetes rejects are left out
    /// (Kopf's patch fails with them, so nothing is stored there); if none is left, there is one of korf's own.
    pub fn keys(&self, slot: Slot<'_>, body: &Body) -> Arc<[String]> {
        let name = match slot {
            Slot::Progress(id) => id,
            Slot::DiffBase => DIFF_BASE,
            Slot::PendingDiffBase => PENDING_DIFF_BASE,
            Slot::Uid => UID,
        };
        self.keys_of(name, body)
    }

    fn keys_of(&self, name: &str, body: &Body) -> Arc<[String]> {
        self.known.get(name, body, |name| keys::keys(&self.prefix, name, self.old_keys))
    }

    /// The annotation that marks the prefix as an operator's. Kopf's own prefix needs none, nor do others that begin as
    /// it does (`_store_marker` in `kopf/_cogs/configs/conventions.py`).
    ///
    /// Each write contains it if the object doesn't have it yet.
    pub fn marker(&self) -> Option<(String, &'static str)> {
        (!self.prefix.starts_with("kopf.")).then(|| (format!("{}/{}", self.prefix, kopf::MARKER), "yes"))
    }

    fn is_own(&self, key: &str) -> bool {
        key.split_once('/').is_some_and(|(prefix, _)| prefix == self.prefix)
    }

    fn stored(&self, body: &Body, slot: Slot<'_>, text: &str) -> Map<String, Value> {
        let text = match slot {
            Slot::Progress(_) | Slot::Uid => text.to_owned(),
            // As kubectl does it: so a terminal's next line isn't the same line.
            Slot::DiffBase | Slot::PendingDiffBase => format!("{text}\n"),
        };
        let keys = self.keys(slot, body);
        let stored = keys.iter().map(|key| (key.clone(), Value::from(text.clone())));
        let marker = self.marker().filter(|(key, _)| body.annotation(key).is_none());
        stored.chain(marker.map(|(key, value)| (key, value.into()))).collect()
    }
}

impl Location for InAnnotations {
    fn read<'a>(&self, body: &'a Body, slot: Slot<'_>) -> Vec<Found<'a>> {
        let found = |key: &String| Some(Found { text: body.annotation(key)?.into(), path: key.clone() });
        self.keys(slot, body).iter().filter_map(found).collect()
    }

    fn write(&self, body: &Body, slot: Slot<'_>, text: Option<&str>) -> Value {
        let mut changes = match text {
            Some(text) => self.stored(body, slot, text),
            None => erased(body, &self.keys(slot, body)).collect(),
        };
        if matches!(slot, Slot::Progress(_)) && !changes.is_empty() {
            changes.extend(erased(body, &self.keys_of(kopf::TOUCH, body)));
        }
        if changes.is_empty() { json!({}) } else { json!({"metadata": {"annotations": changes}}) }
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        let annotations = essence.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !self.is_own(key));
        }
    }

    fn may_be_changed_by(&self, patch: &Map<String, Value>) -> bool {
        let Some(metadata) = patch.get("metadata") else { return false };
        let Value::Object(metadata) = metadata else { return true };
        match metadata.get("annotations") {
            None => false,
            Some(Value::Object(annotations)) => annotations.keys().any(|key| self.is_own(key)),
            Some(_) => true,
        }
    }

    fn capacity(&self, body: &Body) -> usize {
        let own = [Slot::DiffBase, Slot::PendingDiffBase, Slot::Uid];
        let own = own.map(|slot| self.keys(slot, body)).concat();
        let others = body.annotations().into_iter().flatten().filter(|(key, _)| !own.contains(key));
        ANNOTATIONS_LIMIT.saturating_sub(RESERVE).saturating_sub(size_of_annotations(others))
    }
}

/// Null for those of the annotations that the object has.
fn erased(body: &Body, keys: &[String]) -> impl Iterator<Item = (String, Value)> {
    let is_present = |key: &&String| body.annotation(key).is_some();
    keys.iter().filter(is_present).map(|key| (key.clone(), Value::Null))
}

const PROGRESS: &str = "progress";
const STATUS_FIELDS: [&str; 5] = [PROGRESS, kopf::TOUCH_IN_STATUS, DIFF_BASE, PENDING_DIFF_BASE, UID];

/// The part of the API server's limit for an object (about 1.5 MiB) that may be used. The rest is for
/// `metadata.managedFields`, which the body doesn't have, and for progress.
const OBJECT_LIMIT: usize = 1 << 20;

/// One field of the status, in Kopf's formats (`StatusProgressStorage`, `StatusDiffBaseStorage`): progress as mappings,
/// the diff-base as JSON text.
///
/// | Field | Content |
/// |---|---|
/// | `status.<name>.progress.<handler id>` | a handler's progress while a change is being handled |
/// | `status.<name>.last-handled-configuration` | the diff-base: the essence that was handled last |
/// | `status.<name>.korf-basis` | the pending diff-base, while a change is being handled (korf's own) |
/// | `status.<name>.korf-uid` | the uid of the object that these belong to (korf's own; never under Kopf's names) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InStatus {
    name: String,
}

impl InStatus {
    /// The field `status.<name>`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    fn fields<'a>(&self, body: &'a Body) -> &'a Value {
        &body.value()["status"][self.name.as_str()]
    }

    fn path(&self, field: &str) -> String {
        format!("status.{}.{field}", self.name)
    }
}

impl Location for InStatus {
    fn read<'a>(&self, body: &'a Body, slot: Slot<'_>) -> Vec<Found<'a>> {
        let fields = self.fields(body);
        let text_of =
            |name: &str| fields[name].as_str().map(|text| Found { path: self.path(name), text: text.into() });
        let found = match slot {
            Slot::Progress(id) => fields[PROGRESS].get(id).map(|record| Found {
                path: format!("{}.{id}", self.path(PROGRESS)),
                text: record.to_string().into(),
            }),
            Slot::DiffBase => text_of(DIFF_BASE),
            Slot::PendingDiffBase => text_of(PENDING_DIFF_BASE),
            Slot::Uid => text_of(UID),
        };
        found.into_iter().collect()
    }

    fn write(&self, body: &Body, slot: Slot<'_>, text: Option<&str>) -> Value {
        let fields = self.fields(body);
        let (field, before, after) = match slot {
            Slot::Progress(id) => {
                let before = &fields[PROGRESS][id];
                let after = text.map(|text| replacing(before, text));
                (PROGRESS, before, json!({id: after}))
            }
            Slot::DiffBase => (DIFF_BASE, &fields[DIFF_BASE], text.into()),
            Slot::PendingDiffBase => (PENDING_DIFF_BASE, &fields[PENDING_DIFF_BASE], text.into()),
            Slot::Uid => (UID, &fields[UID], text.into()),
        };
        if text.is_none() && before.is_null() {
            return json!({});
        }
        let mut changes = Map::from_iter([(field.to_owned(), after)]);
        if field == PROGRESS && !fields[kopf::TOUCH_IN_STATUS].is_null() {
            changes.insert(kopf::TOUCH_IN_STATUS.to_owned(), Value::Null);
        }
        json!({"status": {self.name.as_str(): changes}})
    }

    fn part(&self) -> Part {
        Part::Status
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        let Some(Value::Object(status)) = essence.get_mut("status") else { return };
        let is_empty = match status.get_mut(&self.name) {
            Some(Value::Object(fields)) => {
                fields.retain(|field, _| !STATUS_FIELDS.contains(&field.as_str()));
                fields.is_empty()
            }
            Some(Value::Null) => true,
            _ => false,
        };
        if is_empty {
            status.remove(&self.name);
        }
    }

    fn may_be_changed_by(&self, patch: &Map<String, Value>) -> bool {
        patch
            .get("status")
            .is_some_and(|status| status.as_object().is_none_or(|status| status.contains_key(&self.name)))
    }

    fn capacity(&self, body: &Body) -> usize {
        let fields = self.fields(body);
        let size = |name: &str| fields[name].as_str().map_or(0, str::len);
        let own = size(DIFF_BASE) + size(PENDING_DIFF_BASE);
        let others = body.value().to_string().len().saturating_sub(own);
        OBJECT_LIMIT.saturating_sub(others)
    }
}

/// A record, with null for each field of the one before that it doesn't have: a merge keeps fields that aren't named.
fn replacing(before: &Value, text: &str) -> Value {
    let mut record: Value = serde_json::from_str(text).unwrap_or_default();
    if let Value::Object(record) = &mut record {
        for field in before.as_object().into_iter().flat_map(Map::keys) {
            record.entry(field.clone()).or_insert(Value::Null);
        }
    }
    record
}

/// Two locations, for an operator that changes from one to the other without taking old objects for new ones.
///
/// ```
/// use korf_core::storage::{InAnnotations, InStatus, Migrating};
///
/// let location = Migrating { to: InAnnotations::new("greeter.example.com")?, from: InStatus::new("greeter") };
/// # Ok::<(), korf_core::storage::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrating<To, From> {
    /// The location that is read first, and written.
    pub to: To,
    /// The location that is read second, and erased.
    pub from: From,
}

impl<To: Location, From: Location> Location for Migrating<To, From> {
    fn read<'a>(&self, body: &'a Body, slot: Slot<'_>) -> Vec<Found<'a>> {
        [self.to.read(body, slot), self.from.read(body, slot)].into_iter().flatten().collect()
    }

    fn write(&self, body: &Body, slot: Slot<'_>, text: Option<&str>) -> Value {
        // A write may take two requests. The old diff-base is erased only once the new one has arrived: a crash between
        // the two would make a handled object new. Old progress is erased at the end; until then, it isn't read.
        let arrived = matches!(slot, Slot::DiffBase | Slot::Uid) && !self.to.read(body, slot).is_empty();
        let erased = (text.is_none() || arrived).then(|| self.from.write(body, slot, None));
        compose_all([self.to.write(body, slot, text)].into_iter().chain(erased))
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        self.to.clean(essence);
        self.from.clean(essence);
    }

    fn may_be_changed_by(&self, patch: &Map<String, Value>) -> bool {
        self.to.may_be_changed_by(patch) || self.from.may_be_changed_by(patch)
    }

    // What is erased is older: if that came last, it would count after a crash.
    fn part(&self) -> Part {
        self.to.part()
    }

    fn capacity(&self, body: &Body) -> usize {
        self.to.capacity(body)
    }
}
