//! How an essence is written down: as it is, compressed, or as a digest.
//!
//! All of them are JSON mappings, because Kopf reads a diff-base as one. The text is Kopf's own form. Of the others, Kopf
//! makes an object that had nothing but a field `korf`, and so calls the handlers of updates: it doesn't break, but it
//! doesn't know what was handled either.

use crate::diff::{self, Diff};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use blake2::{Blake2b, Digest, digest::consts::U32};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};
use serde_json::{Value, json};

const FIELD: &str = "korf";
const DEFLATE: &str = "deflate";
const DIGEST: &str = "digest";
/// Between speed and size.
const LEVEL: u8 = 6;
/// The most JSON that is compressed, and made of what is compressed: in memory, it may take sixteen times as much. Objects
/// are smaller, since etcd takes 1.5 MiB; what claims to be larger wants to fill the memory.
const INFLATED: usize = 4 << 20;

/// How an essence is written down, by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As JSON.
    #[default]
    Text,
    /// As compressed JSON.
    Deflated,
    /// As a digest: whether it has changed can be told, and not what it was.
    Digest,
}

/// An essence, as far as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The essence itself.
    Whole(Value),
    /// Its digest: it was too large.
    Digest(String),
}

impl Kept {
    /// Whether it is this essence.
    pub fn is(&self, essence: &Value) -> bool {
        match self {
            Self::Whole(kept) => kept == essence,
            Self::Digest(kept) => *kept == digest(essence),
        }
    }

    /// The essence itself, if it is known: it was kept, or it is the present one.
    pub fn known(self, present: &Value) -> Option<Value> {
        match self {
            Self::Whole(kept) => Some(kept),
            Self::Digest(kept) => (kept == digest(present)).then(|| present.clone()),
        }
    }

    /// What differs in the present essence.
    pub fn diff(&self, present: &Value) -> Diff {
        match self {
            Self::Whole(kept) => diff::diff(kept, present),
            Self::Digest(kept) if *kept == digest(present) => Diff::default(),
            Self::Digest(_) => Diff::unknown(present.clone()),
        }
    }

    /// The JSON in the first of the forms, from the given one on, that fits; and which one that is.
    ///
    /// A third of the room is for the text, since kubectl keeps the same text in another annotation, and half of it for
    /// the compressed form: diff-base and basis may be there at the same time.
    pub(super) fn encode(&self, least: Form, room: usize) -> (Form, String) {
        let essence = match self {
            Self::Whole(essence) => essence,
            Self::Digest(digest) => return (Form::Digest, form(DIGEST, digest)),
        };
        let json = essence.to_string();
        let text = super::ascii(&json);
        if least <= Form::Text && text.len() <= room / 3 && content(essence).is_none() {
            return (Form::Text, text);
        }
        if least <= Form::Deflated && json.len() <= INFLATED {
            let deflated = compress_to_vec(json.as_bytes(), LEVEL);
            let text = form(DEFLATE, &STANDARD_NO_PAD.encode(deflated));
            if text.len() <= room / 2 {
                return (Form::Deflated, text);
            }
        }
        (Form::Digest, form(DIGEST, &digest(essence)))
    }

    /// What was written down; none for null, which is the same as absent.
    pub(super) fn decode(text: &str) -> Result<Option<Self>, String> {
        Self::parse(super::decode(text)?)
    }

    /// What this JSON stands for; none for null.
    pub(super) fn parse(essence: Value) -> Result<Option<Self>, String> {
        match essence {
            Value::Null => Ok(None),
            essence @ Value::Object(_) => parse(essence).map(Some),
            _ => Err("it isn't a mapping".to_owned()),
        }
    }
}

fn form(name: &str, content: &str) -> String {
    json!({FIELD: {name: content}}).to_string()
}

/// What a mapping stands for: itself, unless it is one of the other forms.
fn parse(essence: Value) -> Result<Kept, String> {
    match content(&essence) {
        Some((DEFLATE, content)) => inflate(content).map(Kept::Whole),
        Some((DIGEST, content)) => Ok(Kept::Digest(content.to_owned())),
        _ => Ok(Kept::Whole(essence)),
    }
}

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
    let essence = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if matches!(essence, Value::Object(_)) { Ok(essence) } else { Err("it isn't a mapping".to_owned()) }
}

/// The same for all values that don't [differ](diff::diff), however they are written.
fn digest(essence: &Value) -> String {
    let mut hasher = Blake2b::<U32>::new();
    feed(essence, true, &mut hasher);
    STANDARD_NO_PAD.encode(hasher.finalize())
}

/// `nulls_are_none`: as in `diff`, not inside of lists.
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
