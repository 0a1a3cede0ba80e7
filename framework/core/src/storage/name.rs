//! What keys and finalizers of our own are made of.

use crate::syntax::{DOMAIN_LIMIT, NAME_LIMIT, PART_LIMIT, is_domain, is_key};
use std::fmt;

const DOMAIN: &str = "korf.dev";

/// A name under which Kubernetes would keep nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidName {
    /// An operator's name that can't be part of an annotation's prefix.
    Operator(String),
    /// What can't be an annotation's prefix.
    Prefix(String),
    /// What can't be a finalizer.
    Finalizer(String),
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = format!(
            "small letters, digits and dashes, with a letter or digit at both ends, of at most {PART_LIMIT} characters"
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

/// The prefix of the annotations of an operator.
pub(super) fn of_operator(operator: &str) -> Result<String, InvalidName> {
    prefix(&format!("{operator}.{DOMAIN}")).map_err(|_| InvalidName::Operator(operator.to_owned()))
}

/// A prefix that Kubernetes takes.
pub(super) fn prefix(prefix: &str) -> Result<String, InvalidName> {
    if is_domain(prefix) { Ok(prefix.to_owned()) } else { Err(InvalidName::Prefix(prefix.to_owned())) }
}

/// Whether Kubernetes takes a finalizer (`ValidateFinalizerName`).
pub(super) fn check_finalizer(finalizer: &str) -> Result<(), InvalidName> {
    if finalizer.contains('/') && is_key(finalizer) {
        Ok(())
    } else {
        Err(InvalidName::Finalizer(finalizer.to_owned()))
    }
}
