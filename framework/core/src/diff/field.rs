//! Path of a field in an object.

use std::fmt;

/// The keys that lead to a value, from the root down; the root itself has none.
///
/// A text is split at its dots, as in Kopf: `spec.size`. A path with a key that contains dots, as many in
/// `metadata.labels`, is a list: `["metadata", "labels", "app.example.com/x"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(Vec<String>);

impl Field {
    /// The keys.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, key: &str) {
        self.0.push(key.to_owned());
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// This field relative to `path`; none if it isn't at or below it.
    pub(super) fn below<S: AsRef<str>>(&self, path: &[S]) -> Option<Self> {
        let (start, rest) = self.0.split_at_checked(path.len())?;
        same(start, path).then(|| Self(rest.to_vec()))
    }

    /// `path` relative to this field; none if it isn't at or below it.
    pub(super) fn rest_of<'a, S: AsRef<str>>(&self, path: &'a [S]) -> Option<&'a [S]> {
        let (start, rest) = path.split_at_checked(self.0.len())?;
        same(&self.0, start).then_some(rest)
    }
}

fn same<S: AsRef<str>>(keys: &[String], path: &[S]) -> bool {
    keys.iter().zip(path).all(|(key, other)| key == other.as_ref())
}

impl AsRef<[String]> for Field {
    fn as_ref(&self) -> &[String] {
        &self.0
    }
}

impl From<&str> for Field {
    fn from(dotted: &str) -> Self {
        if dotted.is_empty() { Self::default() } else { Self(dotted.split('.').map(str::to_owned).collect()) }
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for Field {
    fn from(keys: [S; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Field {
    fn from_iter<I: IntoIterator<Item = S>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| key.as_ref().to_owned()).collect())
    }
}

/// The keys, joined by dots; for people, since keys may contain dots.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
