//! Which names Kubernetes takes.

use std::fmt;

const DOMAIN: &str = "korf.dev";
/// Of one part between dots (RFC 1123).
const LABEL_LIMIT: usize = 63;
/// Of a DNS subdomain in Kubernetes.
const PREFIX_LIMIT: usize = 253;

/// Of the part of a finalizer behind the slash.
const NAME_LIMIT: usize = 63;

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
            "small letters, digits and dashes, with a letter or digit at both ends, of at most {LABEL_LIMIT} characters"
        );
        match self {
            Self::Operator(name) => write!(
                f,
                "an operator can't be named {name:?}: its annotations begin with `<name>.{DOMAIN}/`, so the name consists \
                 of {label} (or of several such parts with dots between them, at most {} in all)",
                PREFIX_LIMIT - DOMAIN.len() - 1
            ),
            Self::Prefix(prefix) => write!(
                f,
                "annotations can't begin with {prefix:?}: a prefix is a domain name like `my-operator.example.com`, of \
                 parts of {label}, with dots between them, at most {PREFIX_LIMIT} in all"
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
    let fits = prefix.len() <= PREFIX_LIMIT && prefix.split('.').all(is_label);
    if fits { Ok(prefix.to_owned()) } else { Err(InvalidName::Prefix(prefix.to_owned())) }
}

/// Whether Kubernetes takes a finalizer (`ValidateFinalizerName`).
pub(super) fn check_finalizer(finalizer: &str) -> Result<(), InvalidName> {
    let fits = finalizer
        .split_once('/')
        .is_some_and(|(domain, name)| prefix(domain).is_ok() && super::keys::is_valid(name));
    if fits { Ok(()) } else { Err(InvalidName::Finalizer(finalizer.to_owned())) }
}

fn is_label(label: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=LABEL_LIMIT).contains(&label.len())
        && label.starts_with(plain)
        && label.ends_with(plain)
        && label.chars().all(|c| plain(c) || c == '-')
}
