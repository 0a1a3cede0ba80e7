//! Path of a field in an object.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// The keys that lead to a value, from the root down; the root itself has none.
///
/// A text is split at its dots, as in Kopf: `spec.size`. A path with a key that contains dots, as many in
/// `metadata.labels`, is a list: `["metadata", "labels", "app.example.com/x"]`.
#[derive(Clone, Default)]
pub struct Field {
    keys: Vec<String>,
    /// Whether it was a text. It is the same field either way, but a text has its typical mistakes.
    is_text: bool,
}

impl Field {
    /// The keys.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Whether it was given as a text with dots, not as a list of keys.
    pub(crate) fn is_text(&self) -> bool {
        self.is_text
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn push(&mut self, key: &str) {
        self.keys.push(key.to_owned());
    }

    pub(super) fn pop(&mut self) {
        self.keys.pop();
    }

    /// This field relative to `path`; none if it isn't at or below it.
    pub(super) fn below<S: AsRef<str>>(&self, path: &[S]) -> Option<Self> {
        let (start, rest) = self.keys.split_at_checked(path.len())?;
        same(start, path).then(|| rest.iter().collect())
    }

    /// `path` relative to this field; none if it isn't at or below it.
    pub(super) fn rest_of<'a, S: AsRef<str>>(&self, path: &'a [S]) -> Option<&'a [S]> {
        let (start, rest) = path.split_at_checked(self.keys.len())?;
        same(&self.keys, start).then_some(rest)
    }
}

fn same<S: AsRef<str>>(keys: &[String], path: &[S]) -> bool {
    keys.iter().zip(path).all(|(key, other)| key == other.as_ref())
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Eq for Field {}

impl PartialOrd for Field {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Field {
    fn cmp(&self, other: &Self) -> Ordering {
        self.keys.cmp(&other.keys)
    }
}

impl Hash for Field {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.keys.hash(state);
    }
}

impl AsRef<[String]> for Field {
    fn as_ref(&self) -> &[String] {
        &self.keys
    }
}

impl From<&str> for Field {
    fn from(dotted: &str) -> Self {
        if dotted.is_empty() {
            return Self::default();
        }
        Self { keys: dotted.split('.').map(str::to_owned).collect(), is_text: true }
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for Field {
    fn from(keys: [S; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Field {
    fn from_iter<I: IntoIterator<Item = S>>(keys: I) -> Self {
        Self { keys: keys.into_iter().map(|key| key.as_ref().to_owned()).collect(), is_text: false }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.keys).finish()
    }
}

/// The keys, joined by dots; for people, since keys may contain dots.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keys.join("."))
    }
}
