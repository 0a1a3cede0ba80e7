//! Encoding of an essence: as text, compressed, or as a digest.
//!
//! All of them are JSON mappings, because Kopf reads a diff-base as one. The text is Kopf's own form. Kopf takes the others
//! for an object whose only field is `korf`, and so calls its update handlers: it doesn't break, but it doesn't know what
//! was handled either.

use crate::{
    diff::{self, Diff},
    kopf::json::ascii,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use blake2::{
    Blake2b, Digest,
    digest::consts::{U8, U32},
};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};
use serde_json::{Value, json};
use std::{io, ptr, sync::Arc};

const FIELD: &str = "korf";
const DEFLATE: &str = "deflate";
const DIGEST: &str = "digest";
/// A compromise between speed and size.
const LEVEL: u8 = 6;
/// The limit of JSON, before it is compressed and after it is decompressed: in memory, it may take sixteen times as much.
/// Objects are smaller, since etcd takes 1.5 MiB; a text that claims to be larger is meant to fill the memory.
const INFLATED: usize = 4 << 20;

/// The form in which an essence is written, by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// JSON.
    #[default]
    Text,
    /// Compressed JSON.
    Deflated,
    /// A digest: it tells whether the essence has changed, and not what it was.
    Digest,
}

/// An essence that was stored, as far as it was.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredEssence {
    /// The essence itself.
    Whole(Arc<Value>),
    /// Its digest: it was too large.
    Digest(String),
}

impl StoredEssence {
    /// Whether it is this essence.
    pub fn is(&self, essence: &Value) -> bool {
        match self {
            Self::Whole(stored) => **stored == *essence,
            Self::Digest(stored) => *stored == digest(essence),
        }
    }

    /// The essence itself, if it is known: it was stored, or it is the present one.
    pub fn known(self, present: &Arc<Value>) -> Option<Arc<Value>> {
        match self {
            Self::Whole(stored) => Some(stored),
            Self::Digest(stored) => (stored == digest(present)).then(|| Arc::clone(present)),
        }
    }

    /// The differences in the present essence.
    pub fn diff(&self, present: &Value) -> Diff {
        match self {
            Self::Whole(stored) if ptr::eq(&**stored, present) => Diff::default(),
            Self::Whole(stored) => diff::diff(stored, present),
            Self::Digest(stored) if *stored == digest(present) => Diff::default(),
            Self::Digest(_) => Diff::unknown(present.clone()),
        }
    }

    /// Encodes it in the largest encoding that fits, from `first` on; returns that encoding and the JSON.
    ///
    /// The text may take a third of the capacity, since kubectl stores the same text in another annotation, and the
    /// compressed form half of it: diff-base and pending diff-base may be there at the same time.
    pub(super) fn encode(&self, first: Encoding, capacity: usize) -> (Encoding, String) {
        let essence = match self {
            Self::Whole(essence) => essence,
            Self::Digest(digest) => return (Encoding::Digest, wrapped(DIGEST, digest)),
        };
        let json = essence.to_string();
        if first <= Encoding::Text && json.len() <= capacity / 3 && content(essence).is_none() {
            let text = ascii(&json);
            if text.len() <= capacity / 3 {
                return (Encoding::Text, text);
            }
        }
        if first <= Encoding::Deflated && json.len() <= INFLATED {
            let deflated = compress_to_vec(json.as_bytes(), LEVEL);
            let text = wrapped(DEFLATE, &STANDARD_NO_PAD.encode(deflated));
            if text.len() <= capacity / 2 {
                return (Encoding::Deflated, text);
            }
        }
        (Encoding::Digest, wrapped(DIGEST, &digest(essence)))
    }

    /// Whether a text is the one in which this essence is written. It may stand for it in other ways, too.
    pub(super) fn is_text_of(text: &str, essence: &Value) -> bool {
        let mut rest = Rest(text.trim_end().as_bytes());
        serde_json::to_writer(&mut rest, essence).is_ok() && rest.0.is_empty() && content(essence).is_none()
    }

    /// Decodes a text; none for null, which is the same as absent.
    pub(super) fn decode(text: &str) -> Result<Option<Self>, String> {
        Self::parse(parse(text)?)
    }

    /// The essence that this JSON represents; none for null.
    fn parse(essence: Value) -> Result<Option<Self>, String> {
        match content(&essence) {
            _ if essence.is_null() => Ok(None),
            _ if !essence.is_object() => Err(NO_MAPPING.to_owned()),
            Some((DEFLATE, content)) => inflate(content).map(|essence| Some(Self::Whole(essence.into()))),
            Some((DIGEST, content)) => Ok(Some(Self::Digest(content.to_owned()))),
            _ => Ok(Some(Self::Whole(essence.into()))),
        }
    }
}

/// What is left of a text, as long as exactly that is written.
struct Rest<'a>(&'a [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(written).ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NO_MAPPING: &str = "it isn't a mapping";

/// Parses any JSON.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn wrapped(name: &str, content: &str) -> String {
    json!({FIELD: {name: content}}).to_string()
}

/// The name and the content of an encoding other than the text.
fn content(essence: &Value) -> Option<(&str, &str)> {
    let inner = only_field(essence).filter(|(name, _)| *name == FIELD)?.1;
    let (name, content) = only_field(inner).filter(|(name, _)| [DEFLATE, DIGEST].contains(name))?;
    Some((name, content.as_str()?))
}

fn only_field(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.iter().next().map(|(name, value)| (name.as_str(), value))
}

fn inflate(content: &str) -> Result<Value, String> {
    let deflated = STANDARD_NO_PAD.decode(content).map_err(|error| error.to_string())?;
    let text = decompress_to_vec_with_limit(&deflated, INFLATED).map_err(|error| error.to_string())?;
    let essence: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if essence.is_object() { Ok(essence) } else { Err(NO_MAPPING.to_owned()) }
}

/// A digest that is the same for all values that don't [differ](diff::diff), however they are written.
fn digest(essence: &Value) -> String {
    let mut hasher = Blake2b::<U32>::new();
    feed(essence, true, &mut hasher);
    STANDARD_NO_PAD.encode(hasher.finalize())
}

/// `nulls_are_none`: null is the same as absent, as in `diff`; not inside of lists.
fn feed(value: &Value, nulls_are_none: bool, hasher: &mut Blake2b<U32>) {
    let mut scalar = |tag: &str, text: &str| {
        hasher.update(tag);
        hasher.update(text.len().to_le_bytes());
        hasher.update(text);
    };
    match value {
        Value::Null => scalar("null", ""),
        Value::Bool(value) => scalar("bool", &value.to_string()),
        Value::Number(number) => match diff::whole(number) {
            Some(whole) => scalar("whole", &whole.to_string()),
            None => scalar("float", &number.as_f64().unwrap_or_default().to_string()),
        },
        Value::String(text) => scalar("text", text),
        Value::Array(items) => {
            scalar("list", &items.len().to_string());
            items.iter().for_each(|item| feed(item, false, hasher));
        }
        Value::Object(fields) => {
            // Sorted here, because serde_json's own order depends on its feature `preserve_order`.
            let mut fields: Vec<_> =
                fields.iter().filter(|(_, value)| !(nulls_are_none && value.is_null())).collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            scalar("map", &fields.len().to_string());
            for (key, value) in fields {
                feed(&Value::from(key.as_str()), false, hasher);
                feed(value, nulls_are_none, hasher);
            }
        }
    }
}

const BESIDE: &str = "beside";
const ESSENCE: &str = "essence";

/// A pending diff-base: an essence, and the fingerprint of the diff-base that it is to replace.
///
/// Kopf doesn't know the pending diff-base. Where Kopf ends a handling that korf has begun, it writes another diff-base and
/// leaves the pending one, which then no longer counts: its fingerprint is that of the diff-base before.
#[derive(Debug, PartialEq)]
pub(super) struct PendingDiffBase {
    /// The [`fingerprint`] of the diff-base at the time of writing.
    pub replaces: String,
    pub essence: StoredEssence,
}

impl PendingDiffBase {
    /// Encodes an essence, which is JSON already.
    pub fn encode(replaces: &str, essence: &str) -> String {
        format!(r#"{{"{BESIDE}":{},"{ESSENCE}":{essence}}}"#, json!(replaces))
    }

    /// Decodes a text; none for null, which is the same as absent.
    pub fn decode(text: &str) -> Result<Option<Self>, String> {
        let mut pending = parse(text)?;
        if pending.is_null() {
            return Ok(None);
        }
        let replaces = pending[BESIDE].as_str().ok_or("it names no diff-base")?.to_owned();
        let essence = StoredEssence::parse(pending[ESSENCE].take())?.ok_or("it has no essence")?;
        Ok(Some(Self { replaces, essence }))
    }
}

/// Tells one diff-base from another: a digest of its text.
pub(super) fn fingerprint(diff_base: Option<&str>) -> String {
    diff_base.map_or_else(String::new, |text| STANDARD_NO_PAD.encode(Blake2b::<U8>::digest(text)))
}
