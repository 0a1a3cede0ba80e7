//! Storage of an operator's state on the objects, in Kopf's formats: the records of handlers' attempts, the diff-base (the
//! essence that was handled last), and the pending diff-base, which becomes the diff-base at the end of a cycle.
//!
//! A [`Location`] defines where on the object it is: [`InAnnotations`] by default, the status ([`InStatus`]), or one of your
//! own.
//!
//! # Large objects
//!
//! All annotations of an object have 256 KiB together. A diff-base that takes more than a third of what the others leave
//! is compressed, and if it still takes more than half, only a digest of it is stored ([`Encoding`]). Then a change is
//! noticed as before, and never taken for a creation, but the previous state isn't known: the diff is one change of the
//! whole, from null ([`Diff::is_unknown`](crate::diff::Diff::is_unknown)), field handlers are called for each change, and
//! arguments of the previous state fail. A line in the log tells of it.
//!
//! Kopf takes the compressed form, and a digest, for an object whose only field is `korf`: it handles an update. So an
//! operator can be replaced by one that is written with Kopf, but each object that large is handled once more.

mod config;
mod encoding;
mod keys;
mod location;
#[cfg(test)]
pub(crate) mod tests;

pub use config::StorageConfig;
pub use encoding::{Encoding, StoredEssence};
pub use keys::InvalidName;
pub use location::{Found, InAnnotations, InStatus, Location, Migrating, Slot};

use crate::{
    Part,
    body::Body,
    essence::{self, Cleaner},
    kopf::{self, keys::spelling},
    merge::{compose_all, difference},
    progress::{Progress, Record, UnreadableEntry},
};
use encoding::{PendingDiffBase, fingerprint, parse};
use jiff::Timestamp;
use location::{PENDING_DIFF_BASE, UID};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The state that an operator stores on its objects.
#[derive(Clone, Debug)]
pub struct Storage {
    location: Arc<dyn Location>,
    finalizer: String,
    /// Whether the object's uid is stored, too. Kopf doesn't know it.
    with_uid: bool,
    detail: Detail,
}

/// Whose state is on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredFor {
    /// It names no uid: Kopf's, or that of an older korf.
    Unknown,
    /// The object's own.
    This,
    /// That of another object, from which this one was copied or restored.
    Another,
}

/// How much is stored: each level takes less than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Detail {
    /// Everything, if it fits.
    #[default]
    Full,
    /// Compressed essences.
    Deflated,
    /// Digests of essences.
    Digest,
    /// Digests of essences, and records without the messages of errors: for objects with many failing handlers, whose
    /// records alone may exceed the limit.
    NoMessages,
}

impl Detail {
    fn encoding(self) -> Encoding {
        match self {
            Self::Full => Encoding::Text,
            Self::Deflated => Encoding::Deflated,
            Self::Digest | Self::NoMessages => Encoding::Digest,
        }
    }
}

/// A merge patch of the object that stores an essence; empty by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EssencePatch {
    /// The merge patch.
    pub patch: Value,
    /// The encoding of the essence in it.
    pub encoding: Encoding,
}

impl Storage {
    fn new(location: Arc<dyn Location>, finalizer: String, with_uid: bool) -> Self {
        Self { location, finalizer, with_uid, detail: Detail::default() }
    }

    /// The finalizer that keeps objects until delete handlers are finished.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// The same storage with less detail, for objects that are too large; none if there is no less.
    pub fn smaller(&self) -> Option<Self> {
        let detail = match self.detail {
            Detail::Full => Detail::Deflated,
            Detail::Deflated => Detail::Digest,
            Detail::Digest => Detail::NoMessages,
            Detail::NoMessages => return None,
        };
        Some(Self { detail, ..self.clone() })
    }

    /// The spelling of a handler's id in the keys of its annotations: two ids with the same spelling share them.
    pub fn spelling(id: &str) -> String {
        spelling(id)
    }

    /// Whether a handler can't have this id, because its annotation holds something else.
    pub fn reserves(id: &str) -> bool {
        [kopf::MARKER, kopf::DIFF_BASE, PENDING_DIFF_BASE, UID, kopf::TOUCH].contains(&spelling(id).as_str())
    }

    /// The records of these handlers; `now` is the start of those that name none.
    pub fn read_progress<'a>(
        &self,
        body: &Body,
        ids: impl IntoIterator<Item = &'a str>,
        now: Timestamp,
    ) -> Progress {
        ids.into_iter().fold(Progress::default(), |progress, id| {
            let mut unreadable = Vec::new();
            let found = self.location.read(body, Slot::Progress(id)).into_iter();
            let record =
                found.filter(|found| found.text.trim() != "null").find_map(|Found { path, text }| {
                    let record = parse(&text).and_then(|value| Record::from_json(&value, now));
                    record.map_err(|reason| unreadable.push(UnreadableEntry { path, reason })).ok()
                });
            let progress = progress.with_unreadable(id, unreadable);
            match record {
                Some(record) => progress.with(id, record),
                None => progress,
            }
        })
    }

    /// The merge patch that replaces the records of `old` by those of `new`.
    ///
    /// It stores the records that have changed, and erases those that have gone, their sub-handlers' included; an empty
    /// mapping if nothing changes.
    pub fn write_progress(&self, body: &Body, old: &Progress, new: &Progress) -> Value {
        let bare = (self.detail == Detail::NoMessages).then(|| new.without_messages());
        let new = bare.as_ref().unwrap_or(new);
        let erased = old.dropped_in(new).into_iter().map(|id| (id, None));
        let stored = old.changed_in(new).map(|(id, record)| (id, Some(record.to_json())));
        let changes: Vec<_> = erased.chain(stored).collect();
        let uid = changes.iter().any(|(_, text)| text.is_some()).then(|| self.write_new_uid(body));
        let write = |(id, text): (&str, Option<String>)| {
            self.location.write(body, Slot::Progress(id), text.as_deref())
        };
        compose_all(changes.into_iter().map(write).chain(uid))
    }

    /// Whose state is on the object, as far as it is known.
    pub fn stored_for(&self, body: &Body) -> StoredFor {
        match self.read_uid(body) {
            None => StoredFor::Unknown,
            Some(uid) if uid == body.uid() => StoredFor::This,
            Some(_) => StoredFor::Another,
        }
    }

    fn read_uid(&self, body: &Body) -> Option<String> {
        let found = self.with_uid.then(|| self.location.read(body, Slot::Uid))?;
        found.iter().find_map(|found| serde_json::from_str(&found.text).ok())
    }

    fn write_uid(&self, body: &Body) -> Value {
        let uid = self.with_uid && !body.uid().is_empty();
        let text = uid.then(|| Value::from(body.uid()).to_string());
        text.map_or_else(|| json!({}), |text| self.location.write(body, Slot::Uid, Some(&text)))
    }

    fn write_new_uid(&self, body: &Body) -> Value {
        if self.stored_for(body) == StoredFor::This { json!({}) } else { self.write_uid(body) }
    }

    /// The diff-base: the essence that was handled last. None while the object is new, and where it is
    /// [unreadable](Self::unreadable).
    ///
    /// It is cleaned like the current essence, so that only the user's changes make a difference.
    pub fn read_diff_base(&self, body: &Body) -> Option<StoredEssence> {
        self.read_essences(body, None).diff_base
    }

    /// Both diff-bases, each text decoded once; a diff-base that is the text of the `present` essence isn't decoded at all.
    pub fn read_essences(&self, body: &Body, present: Option<&Arc<Value>>) -> Essences {
        let mut unreadable = Vec::new();
        let found = self.location.read(body, Slot::PendingDiffBase);
        let pending = first_decoded(found, PendingDiffBase::decode, &mut unreadable);
        let found = self.location.read(body, Slot::DiffBase);
        // One that replaces another diff-base was left behind: another operator has ended that handling meanwhile.
        let pending = pending.filter(|pending| {
            let replaced = fingerprint(found.first().map(|found| &*found.text));
            pending.replaces == replaced
        });
        let decode = |text: &str| match present.filter(|present| StoredEssence::is_text_of(text, present)) {
            Some(present) => Ok(Some(StoredEssence::Whole(Arc::clone(present)))),
            None => Ok(StoredEssence::decode(text)?.map(|stored| self.cleaned(body, stored))),
        };
        Essences {
            diff_base: first_decoded(found, decode, &mut unreadable),
            pending: pending.map(|pending| self.cleaned(body, pending.essence)),
            unreadable,
        }
    }

    /// Whether anything is stored in a slot.
    pub fn holds(&self, body: &Body, slot: Slot<'_>) -> bool {
        !self.location.read(body, slot).is_empty()
    }

    /// The patch that makes `essence` the diff-base, and erases the pending one.
    pub fn write_diff_base(&self, body: &Body, essence: &StoredEssence) -> EssencePatch {
        let (encoding, text) = essence.encode(self.detail.encoding(), self.location.capacity(body));
        let patch = self.location.write(body, Slot::DiffBase, Some(&text));
        let uid = self.write_uid(body);
        EssencePatch { patch: compose_all([patch, self.erase_pending_diff_base(body), uid]), encoding }
    }

    /// The pending diff-base: the essence that the first of the finished handlers has seen. None before one has finished,
    /// and where another operator has ended that handling meanwhile, with a diff-base of its own.
    pub fn read_pending_diff_base(&self, body: &Body) -> Option<StoredEssence> {
        self.read_essences(body, None).pending
    }

    /// The patch that makes `essence` the pending diff-base.
    pub fn write_pending_diff_base(&self, body: &Body, essence: &StoredEssence) -> EssencePatch {
        let (encoding, text) = essence.encode(self.detail.encoding(), self.location.capacity(body));
        let text = PendingDiffBase::encode(&self.fingerprint(body), &text);
        let patch = self.location.write(body, Slot::PendingDiffBase, Some(&text));
        EssencePatch { patch: compose_all([patch, self.write_new_uid(body)]), encoding }
    }

    /// The merge patch that erases the pending diff-base; an empty mapping if there is none.
    pub fn erase_pending_diff_base(&self, body: &Body) -> Value {
        self.location.write(body, Slot::PendingDiffBase, None)
    }

    /// The merge patch that erases both diff-bases, and the uid; an empty mapping if there is none.
    pub fn erase_essences(&self, body: &Body) -> Value {
        let slots = [Slot::DiffBase, Slot::PendingDiffBase, Slot::Uid];
        compose_all(slots.map(|slot| self.location.write(body, slot, None)))
    }

    /// Tells the object's diff-base from any other one.
    fn fingerprint(&self, body: &Body) -> String {
        fingerprint(self.location.read(body, Slot::DiffBase).first().map(|found| &*found.text))
    }

    /// Diff-bases and pending ones that can't be decoded, and so count as absent: an object with such a diff-base is
    /// handled as a new one.
    pub fn unreadable(&self, body: &Body) -> Vec<UnreadableEntry> {
        self.read_essences(body, None).unreadable
    }

    /// The part of the object in which the state is stored.
    pub fn part(&self) -> Part {
        self.location.part()
    }

    /// Whether a merge patch may change what the operator stores on the object, its finalizer included.
    pub(crate) fn may_be_changed_by(&self, patch: &Map<String, Value>) -> bool {
        let metadata = patch.get("metadata");
        let in_metadata = metadata.is_some_and(|metadata| {
            metadata.as_object().is_none_or(|fields| fields.contains_key("finalizers"))
        });
        in_metadata || self.location.may_be_changed_by(patch)
    }

    /// The operator's own fields of an object.
    pub(crate) fn own_fields(&self, object: &Value) -> OwnFields<'_> {
        let mut others = object.clone();
        if let Value::Object(fields) = &mut others {
            self.location.clean(fields);
        }
        let has_finalizer = contains(&object["metadata"]["finalizers"], &self.finalizer);
        OwnFields { storage: self, patch: difference(&others, object), has_finalizer }
    }

    fn cleaned(&self, body: &Body, stored: StoredEssence) -> StoredEssence {
        match stored {
            StoredEssence::Whole(mut essence) => {
                if let Value::Object(fields) = Arc::make_mut(&mut essence) {
                    essence::clean(fields, body, self);
                }
                StoredEssence::Whole(essence)
            }
            stored => stored,
        }
    }
}

/// The diff-bases of one object.
#[derive(Debug)]
pub struct Essences {
    /// See [`Storage::read_diff_base`].
    pub diff_base: Option<StoredEssence>,
    /// See [`Storage::read_pending_diff_base`].
    pub pending: Option<StoredEssence>,
    /// See [`Storage::unreadable`].
    pub unreadable: Vec<UnreadableEntry>,
}

/// The first text that can be decoded; the others that can't are noted.
fn first_decoded<T>(
    found: Vec<Found<'_>>,
    decode: impl Fn(&str) -> Result<Option<T>, String>,
    unreadable: &mut Vec<UnreadableEntry>,
) -> Option<T> {
    let mut first = None;
    for Found { path, text } in found {
        match decode(&text) {
            Ok(decoded) => first = first.or(decoded),
            Err(reason) => unreadable.push(UnreadableEntry { path, reason }),
        }
    }
    first
}

/// The fields of one object that belong to the operator: handlers can't change them.
pub(crate) struct OwnFields<'a> {
    storage: &'a Storage,
    /// The merge patch that puts them back.
    patch: Option<Value>,
    has_finalizer: bool,
}

impl OwnFields<'_> {
    /// Puts them back, after a handler has changed the object.
    pub fn restore(&self, object: &mut Value) {
        if let Value::Object(fields) = object {
            self.storage.location.clean(fields);
        }
        if let Some(patch) = &self.patch {
            json_patch::merge(object, patch);
        }
        self.restore_finalizer(&mut object["metadata"]);
    }

    fn restore_finalizer(&self, metadata: &mut Value) {
        let Value::Object(metadata) = metadata else { return };
        let name = &self.storage.finalizer;
        let Some(list) = metadata.get_mut("finalizers") else {
            if self.has_finalizer {
                metadata.insert("finalizers".into(), json!([name]));
            }
            return;
        };
        if self.has_finalizer != contains(list, name) {
            let others =
                list.as_array().into_iter().flatten().filter(|finalizer| *finalizer != name).cloned();
            *list = others.chain(self.has_finalizer.then(|| name.as_str().into())).collect();
        }
    }
}

fn contains(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|item| item == name))
}

impl Cleaner for Storage {
    fn finalizer(&self) -> &str {
        &self.finalizer
    }

    fn clean(&self, essence: &mut Map<String, Value>) {
        self.location.clean(essence);
    }
}
