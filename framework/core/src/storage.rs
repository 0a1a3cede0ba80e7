//! What korf keeps on the objects, in Kopf's formats: the records of handlers' attempts, the diff-base, which is the essence
//! that was handled last, and the basis, which becomes the diff-base in the end.
//!
//! *Where* on the object, says a [`Place`]: [`Annotations`] by default, the status ([`InStatus`]), or one of your own.
//!
//! # Large objects
//!
//! All annotations of an object have 256 KiB together. A diff-base that takes more than a third of what is left of them
//! is compressed, and if it still takes more than half, only a digest of it is kept ([`Form`]). Then a change is noticed
//! as before, and never taken for a creation, but nobody knows what it was: the diff is one change of the whole, from
//! nothing known ([`Diff::is_unknown`](crate::diff::Diff::is_unknown)), handlers of fields are called for each
//! change, and there is no old object to ask for. A line in the log says so.
//!
//! Kopf takes the compressed form, and a digest, for an object that had no other field than `korf`: it handles an
//! update. So an operator can be replaced by one that is written with Kopf, but one object that large is handled once
//! more.

mod annotations;
mod basis;
mod choice;
mod clean;
mod form;
mod keys;
mod moved;
mod name;
mod place;
mod status;
#[cfg(test)]
mod tests;

use basis::Basis;

pub use annotations::Annotations;
pub(crate) use annotations::{LIMIT as ANNOTATIONS_LIMIT, size as size_of_annotations};
pub use choice::Choice;
pub use form::{Form, Kept};
pub use moved::Moved;
pub use name::InvalidName;
pub use place::{Found, Item, Place};
pub use status::InStatus;

use super::{
    body::Body,
    essence,
    patch::compose,
    progress::{Progress, Record, Unreadable},
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;

const KOPF_PREFIX: &str = "kopf.zalando.org";
const KOPF_FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
const KOPF_STATUS: &str = "kopf";
const MARKER: &str = "kopf-managed";
const DIFF_BASE: &str = "last-handled-configuration";
const BASIS: &str = "korf-basis";
/// What Kopf writes to wake itself up; korf only clears it away.
const TOUCH: &str = "touch-dummy";

/// What an operator keeps on an object, and where.
#[derive(Clone, Debug)]
pub struct Storage {
    place: Arc<dyn Place>,
    /// For kinds where the place can't be used.
    spare: Option<Arc<dyn Place>>,
    finalizer: String,
    size: Size,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// The first form that an essence may have.
    form: Form,
    /// Records are kept without the messages of errors.
    terse: bool,
}

/// An essence to be written; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The merge patch of the object that writes it.
    pub patch: Value,
    /// How it is written down.
    pub form: Form,
}

impl Storage {
    fn of(place: Arc<dyn Place>, finalizer: &str) -> Self {
        Self { place, spare: None, finalizer: finalizer.to_owned(), size: Size::default() }
    }

    /// Annotations of the operator's own: `<operator>.korf.dev/…`.
    ///
    /// # Errors
    /// If that isn't a DNS subdomain, which Kubernetes asks of an annotation's prefix.
    pub fn named(operator: &str) -> Result<Self, InvalidName> {
        Choice::default().storage(operator)
    }

    /// The place that operators made with Kopf use by default: one of them can be followed by korf, or the
    /// other way round. What they may have in the status is read, too.
    pub fn kopf() -> Self {
        let place = Moved { to: Annotations::kopf(), from: InStatus::new(KOPF_STATUS) };
        Self::of(Arc::new(place), KOPF_FINALIZER)
    }

    /// The finalizer that holds objects back until the deletion handlers are done.
    pub fn finalizer(&self) -> &str {
        &self.finalizer
    }

    /// The same with less to write: for objects that are too large. None if there is nothing to be saved any more.
    pub fn smaller(&self) -> Option<Self> {
        let size = match self.size {
            Size { form: Form::Text, terse } => Size { form: Form::Deflated, terse },
            Size { form: Form::Deflated, terse } => Size { form: Form::Digest, terse },
            Size { terse: false, form } => Size { terse: true, form },
            _ => return None,
        };
        Some(Self { size, ..self.clone() })
    }

    /// The same in annotations, for a kind whose status doesn't keep anything; none if it is there already.
    pub fn outside_status(&self) -> Option<Self> {
        let place = self.spare.clone()?;
        Some(Self { place, spare: None, ..self.clone() })
    }

    /// How an id is spelled in the keys of its annotations: two ids of one spelling share them.
    pub fn spelling(id: &str) -> String {
        keys::safe(id)
    }

    /// Whether a handler can't have this id, because something else is kept in its annotation.
    pub fn reserves(id: &str) -> bool {
        [MARKER, DIFF_BASE, BASIS, TOUCH].contains(&keys::safe(id).as_str())
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
            let found = self.place.read(body, Item::Progress(id)).into_iter();
            let record =
                found.filter(|found| found.text.trim() != "null").find_map(|Found { place, text }| {
                    let record = decode(&text).and_then(|value| Record::from_json(&value, now));
                    record.map_err(|reason| unreadable.push(Unreadable { place, reason })).ok()
                });
            let progress = progress.with_unreadable(id, unreadable);
            match record {
                Some(record) => progress.with(id, record),
                None => progress,
            }
        })
    }

    /// The merge patch after which the object says `new` where it said `old`.
    ///
    /// Changed records, and null for those that are gone and on the object, their sub-handlers' included. An empty
    /// mapping if there is nothing to change.
    pub fn write_progress(&self, body: &Body, old: &Progress, new: &Progress) -> Value {
        let terse = self.size.terse.then(|| new.without_messages());
        let new = terse.as_ref().unwrap_or(new);
        let erased = old.dropped_in(new).into_iter().map(|id| (id, None));
        let stored = old.changed_in(new).map(|(id, record)| (id, Some(record.to_json())));
        let patches = erased.chain(stored);
        merged(patches.map(|(id, text)| self.place.write(body, Item::Progress(id), text.as_deref())))
    }

    /// The essence that was handled last; none while the object is new, and where it can't be read (see
    /// [`Storage::faults`]).
    ///
    /// It is cleaned as the current essence is, so that what isn't the user's never makes a difference.
    pub fn read_diff_base(&self, body: &Body) -> Option<Kept> {
        let mut found = self.place.read(body, Item::DiffBase).into_iter();
        let kept = found.find_map(|found| Kept::decode(&found.text).ok().flatten())?;
        Some(self.cleaned(body, kept))
    }

    /// What makes `essence` the diff-base, and the end of the basis.
    pub fn write_diff_base(&self, body: &Body, essence: &Kept) -> Written {
        let (form, text) = essence.encode(self.size.form, self.place.room(body));
        let patch = self.place.write(body, Item::DiffBase, Some(&text));
        Written { patch: merged([patch, self.erase_basis(body)]), form }
    }

    /// The essence that the first of the finished handlers saw; none before one has finished, and where somebody else has
    /// ended that handling meanwhile, with a diff-base of their own.
    pub fn read_basis(&self, body: &Body) -> Option<Kept> {
        let mut found = self.place.read(body, Item::Basis).into_iter();
        let basis = found.find_map(|found| Basis::decode(&found.text).ok().flatten())?;
        (basis.beside == self.mark(body)).then(|| self.cleaned(body, basis.essence))
    }

    /// What makes `essence` the basis.
    pub fn write_basis(&self, body: &Body, essence: &Kept) -> Written {
        let (form, text) = essence.encode(self.size.form, self.place.room(body));
        let text = basis::encode(&self.mark(body), &text);
        Written { patch: self.place.write(body, Item::Basis, Some(&text)), form }
    }

    /// What tells the present diff-base from any other one.
    fn mark(&self, body: &Body) -> String {
        basis::mark(self.place.read(body, Item::DiffBase).first().map(|found| &*found.text))
    }

    /// What erases the basis; an empty mapping if there is none.
    pub fn erase_basis(&self, body: &Body) -> Value {
        self.place.write(body, Item::Basis, None)
    }

    /// Diff-bases and bases that can't be read, and so count as absent: an object with such a diff-base is
    /// taken for a new one.
    pub fn faults(&self, body: &Body) -> Vec<Unreadable> {
        let read = |item, fault: fn(&str) -> Option<String>| {
            let found = self.place.read(body, item).into_iter();
            found.filter_map(move |Found { place, text }| Some(Unreadable { place, reason: fault(&text)? }))
        };
        let diff_bases = read(Item::DiffBase, |text| Kept::decode(text).err());
        diff_bases.chain(read(Item::Basis, |text| Basis::decode(text).err())).collect()
    }

    /// What was kept, cleaned as the current essence is.
    fn cleaned(&self, body: &Body, kept: Kept) -> Kept {
        match kept {
            Kept::Whole(Value::Object(mut essence)) => {
                self.clean(body, &mut essence);
                essence::secret::conceal(body, &mut essence);
                Kept::Whole(essence.into())
            }
            kept => kept,
        }
    }
}

/// All of these merge patches, one after the other.
fn merged(patches: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for patch in patches {
        if let Value::Object(patch) = patch {
            compose(&mut all, patch);
        }
    }
    all.into()
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
