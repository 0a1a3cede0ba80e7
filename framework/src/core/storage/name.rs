//! Which names an operator can have.

use std::fmt;

const DOMAIN: &str = "korf.dev";
/// Of one part between dots (RFC 1123).
const LABEL_LIMIT: usize = 63;
/// Of a DNS subdomain in Kubernetes.
const PREFIX_LIMIT: usize = 253;

/// An operator's name that can't be part of an annotation's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        let limit = PREFIX_LIMIT - DOMAIN.len() - 1;
        write!(
            f,
            "an operator can't be named {name:?}: its annotations begin with `<name>.{DOMAIN}/`, so the name \
             consists of small letters, digits and dashes, with a letter or digit at both ends, of at most \
             {LABEL_LIMIT} characters (or of several such parts with dots between them, at most {limit} in all)"
        )
    }
}

impl std::error::Error for InvalidName {}

/// The prefix of the annotations of an operator.
pub(super) fn prefix(operator: &str) -> Result<String, InvalidName> {
    let prefix = format!("{operator}.{DOMAIN}");
    let fits = prefix.len() <= PREFIX_LIMIT && operator.split('.').all(is_label);
    if fits { Ok(prefix) } else { Err(InvalidName(operator.to_owned())) }
}

fn is_label(label: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=LABEL_LIMIT).contains(&label.len())
        && label.starts_with(plain)
        && label.ends_with(plain)
        && label.chars().all(|c| plain(c) || c == '-')
}
