//! Keys of annotations, and names of prefixes and finalizers.

use crate::{
    body::Body,
    kopf::keys::{cut, digest, marked, new_form, old_form, spelling},
    syntax::{DOMAIN_LIMIT, NAME_LIMIT, PART_LIMIT, is_domain, is_key, is_name, is_of_a_name},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// The domain of the prefixes of operators that name none.
const DOMAIN: &str = "korf.dev";

/// A name that Kubernetes rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// An operator's name that can't be part of an annotation's prefix.
    Operator(String),
    /// A text that can't be an annotation's prefix.
    Prefix(String),
    /// A text that can't be a finalizer.
    Finalizer(String),
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = format!(
            "lowercase letters, digits and dashes, with a letter or digit at both ends, of at most {PART_LIMIT} characters"
        );
        match self {
            Self::Operator(name) => write!(
                f,
                "an operator can't be named {name:?}: its annotations begin with `<name>.{DOMAIN}/`, so the name consists \
                 of {label} (or of several such parts with dots between them, at most {} in all)",
                DOMAIN_LIMIT - DOMAIN.len() - 1
            ),
            Self::Prefix(prefix) => write!(
                f,
                "annotations can't begin with {prefix:?}: a prefix is a domain name like `my-operator.example.com`, of \
                 parts of {label}, with dots between them, at most {DOMAIN_LIMIT} in all"
            ),
            Self::Finalizer(name) => write!(
                f,
                "a finalizer can't be named {name:?}: it is a domain name, a slash and a name of at most {NAME_LIMIT} \
                 letters, digits, dashes, dots and underscores, like `my-operator.example.com/finalizer`"
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

/// The prefix of the annotations of an operator that names none.
pub(super) fn prefix_of(operator: &str) -> Result<String, InvalidName> {
    check_prefix(&format!("{operator}.{DOMAIN}")).map_err(|_| InvalidName::Operator(operator.to_owned()))
}

/// Checks a prefix as Kubernetes does.
pub(super) fn check_prefix(prefix: &str) -> Result<String, InvalidName> {
    if is_domain(prefix) { Ok(prefix.to_owned()) } else { Err(InvalidName::Prefix(prefix.to_owned())) }
}

/// Checks a finalizer as Kubernetes does (`ValidateFinalizerName`).
pub(super) fn check_finalizer(finalizer: &str) -> Result<(), InvalidName> {
    if finalizer.contains('/') && is_key(finalizer) {
        Ok(())
    } else {
        Err(InvalidName::Finalizer(finalizer.to_owned()))
    }
}

/// The annotations that hold one entry, in the order in which they are read.
///
/// Kopf's newer form and, if wanted, the older one where it differs. Keys that Kubernetes rejects are left out (Kopf's
/// patch fails with them, so nothing is stored there); if none is left, there is one of korf's own.
pub(super) fn keys(prefix: &str, name: &str, with_old: bool) -> Vec<String> {
    let mut names = vec![new_form(name)];
    names.extend(with_old.then(|| old_form(prefix, name)));
    names.dedup();
    names.retain(|name| is_name(name));
    if names.is_empty() {
        names.push(own_form(name));
    }
    names.into_iter().map(|name| format!("{prefix}/{name}")).collect()
}

/// The keys that were formed before: each object's turn asks for the same ones several times.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownKeys(Arc<RwLock<HashMap<String, Arc<[String]>>>>);

/// They say nothing about the location that they are of.
impl PartialEq for KnownKeys {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KnownKeys {}

/// The keys that are remembered. Handlers are few; sub-handlers may have any number of ids.
const MOST_KNOWN: usize = 1_000;

impl KnownKeys {
    /// The keys of an entry on an object.
    pub fn get(&self, name: &str, body: &Body, form: impl FnOnce(&str) -> Vec<String>) -> Arc<[String]> {
        if let Some(name) = marked(name, body) {
            return form(&name).into();
        }
        if let Some(keys) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(keys);
        }
        let keys: Arc<[String]> = form(name).into();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_KNOWN {
            known.insert(name.to_owned(), Arc::clone(&keys));
        }
        keys
    }
}

/// For names that Kopf's forms don't make valid: the characters that are allowed, and a digest to tell it apart.
fn own_form(name: &str) -> String {
    let start: String = spelling(name).chars().filter(|&c| is_of_a_name(c)).collect();
    let start = start.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = if start.is_empty() { "handler" } else { start };
    cut(start, NAME_LIMIT.cast_signed(), &digest(name))
}
