//! Where on an object things are kept: what a storage of one's own has to say.

use crate::body::Body;
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// Something that is kept on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// What is known of the attempts of the handler with this id, while a cause is being handled.
    Progress(&'a str),
    /// What was handled last.
    DiffBase,
    /// What is to become the diff-base, while a cause is being handled.
    Basis,
}

/// Something that was found on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Where it was, for people: an annotation's key, or the path of a field.
    pub place: String,
    /// Its JSON.
    pub text: Cow<'a, str>,
}

/// The bytes that diff-base and basis have together where a place says nothing else.
const ROOM: usize = 128 << 10;

/// A place on the object where an operator keeps its things, to be given to
/// `Operator::storage`.
///
/// All that is kept is JSON text; a place says where that is on the object, and nothing of what it means. Its
/// methods are plain functions of the object. There are two places in korf, [`Annotations`] and [`InStatus`], and
/// [`Moved`] for those who change from one to another.
///
/// Whoever else reads and writes there, what is written has to be found again: handlers are called until it is.
///
/// ```
/// use korf_core::storage::{Found, Item, Place};
/// use korf_core::body::Body;
/// use serde_json::{Map, Value, json};
///
/// /// In the spec of the object itself.
/// #[derive(Debug)]
/// struct InSpec;
///
/// fn name(item: Item<'_>) -> String {
///     match item {
///         Item::Progress(id) => format!("handler {id}"),
///         Item::DiffBase => "handled".into(),
///         Item::Basis => "being handled".into(),
///     }
/// }
///
/// impl Place for InSpec {
///     fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>> {
///         let name = name(item);
///         let text = body.value()["spec"]["operator"][&name].as_str();
///         text.map(|text| Found { place: format!("spec.operator.{name}"), text: text.into() }).into_iter().collect()
///     }
///
///     fn write(&self, _: &Body, item: Item<'_>, text: Option<&str>) -> Value {
///         json!({"spec": {"operator": {name(item): text}}})
///     }
///
///     fn clean(&self, essence: &mut Map<String, Value>) {
///         if let Some(Value::Object(spec)) = essence.get_mut("spec") {
///             spec.remove("operator");
///         }
///     }
/// }
/// ```
///
/// [`Annotations`]: super::Annotations
/// [`InStatus`]: super::InStatus
/// [`Moved`]: super::Moved
pub trait Place: fmt::Debug + Send + Sync + 'static {
    /// What is kept of an item. Where that is in several places, the first one that can be read counts.
    fn read<'a>(&self, body: &'a Body, item: Item<'_>) -> Vec<Found<'a>>;

    /// The merge patch of the object that keeps this text as the item, or, without a text, erases it. An empty
    /// mapping if there is nothing to do.
    fn write(&self, body: &Body, item: Item<'_>, text: Option<&str>) -> Value;

    /// Takes all that is kept here out of an essence: handlers would be called for it.
    fn clean(&self, essence: &mut Map<String, Value>);

    /// How many bytes there are for the diff-base and the basis together. 128 KiB, if nothing is said.
    ///
    /// The API server refuses more than 256 KiB of annotations and, all in all, about 1.5 MiB.
    fn room(&self, _: &Body) -> usize {
        ROOM
    }
}
