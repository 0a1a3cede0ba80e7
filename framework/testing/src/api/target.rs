//! Target of a request, by its path.

use super::{answer::Rejection, store::Store};
use std::collections::BTreeMap;

/// A kind, as paths name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupResource {
    pub group: String,
    pub plural: String,
}

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// All groups but the core one, with their versions and kinds.
    Groups,
    /// The core group, in the same form.
    Core,
    /// A group, with its versions.
    Group(String),
    /// The kinds of a group in one version.
    Discovery { group: String, version: String },
    /// Objects of a kind.
    Objects(Collection),
    /// One object, or its status.
    Object { collection: Collection, name: String, status: bool },
}

/// A kind's objects, in one namespace or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collection {
    pub group_resource: GroupResource,
    pub namespace: Option<String>,
}

impl Collection {
    /// Where an object of this name is stored. Keys sort as in etcd.
    pub fn key(&self, name: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }

    /// Whether the object with this key is in the collection.
    pub fn holds(&self, group_resource: &GroupResource, key: &str) -> bool {
        let here = |namespace: &String| key.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('/'));
        *group_resource == self.group_resource && self.namespace.as_ref().is_none_or(here)
    }
}

impl Target {
    pub fn of(path: &str, store: &Store) -> Result<Self, Rejection> {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api"] => return Ok(Self::Core),
            ["apis"] => return Ok(Self::Groups),
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group] => return Ok(Self::Group((*group).to_owned())),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Rejection::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // The namespace itself is an object, too, and has a status.
            ["namespaces", name, inner @ ..] if !matches!(inner, [] | ["status"]) => (Some(*name), inner),
            _ => (None, rest),
        };
        let collection = |plural: &str| Collection {
            group_resource: GroupResource { group: group.to_owned(), plural: plural.to_owned() },
            namespace: namespace.map(str::to_owned),
        };
        let object = |plural, name: &str, status| {
            Ok(Self::Object {
                collection: store.known(collection(plural), version)?,
                name: name.to_owned(),
                status,
            })
        };
        match rest {
            [] if !store.serves(group, version) => Err(Rejection::no_such_path()),
            [] => Ok(Self::Discovery { group: group.into(), version: version.into() }),
            [plural] => store.known(collection(plural), version).map(Self::Objects),
            [plural, name] => object(plural, name, false),
            [plural, name, "status"] => object(plural, name, true),
            [plural, _, subresource, ..] => {
                let collection = store.known(collection(plural), version)?;
                match store.served(&collection.group_resource)?.is_built_in() {
                    true => Err(Rejection::not_done(&format!("the subresource `{subresource}`"))),
                    false => Err(Rejection::no_such_path()),
                }
            }
        }
    }
}

/// The parameters of a query, decoded.
pub(super) fn parameters(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%');
        match (byte, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (None, b'+') => bytes.push(b' '),
            (None, other) => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let parameters = parameters("watch=true&labelSelector=a%3Db%2Cc&empty=&plus=a+b");
        assert_eq!(parameters["labelSelector"], "a=b,c");
        assert_eq!((parameters["plus"].as_str(), parameters["empty"].as_str()), ("a b", ""));
    }
}
