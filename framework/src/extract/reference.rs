//! References to objects by their names.

use crate::{
    argument::{FromCall, Rejection},
    extract::Object,
    scope::ObjectScope,
};
use kube::{Resource, ResourceExt};
use std::{cmp::Ordering, fmt, hash, marker::PhantomData};

/// An object of kind `K`, by its namespace and its name.
///
/// As an argument, it is the handler's own object.
///
/// ```
/// use k8s_openapi::api::core::v1::{ConfigMap, Node};
/// use korf::ObjectRef;
///
/// let map = ObjectRef::<ConfigMap>::new("settings").within("default");
/// assert_eq!(map, ObjectRef::from(("default", "settings")));
/// assert_eq!(map.to_string(), "default/settings");
/// assert_eq!(ObjectRef::<Node>::new("one").namespace(), None);
/// ```
pub struct ObjectRef<K> {
    namespace: Option<String>,
    name: String,
    kind: PhantomData<fn() -> K>,
}

impl<K> ObjectRef<K> {
    /// A cluster-scoped object with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { namespace: None, name: name.into(), kind: PhantomData }
    }

    /// The object of this name in a namespace.
    #[must_use]
    pub fn within(self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace; none if it is cluster-scoped.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(crate) fn into_parts(self) -> (Option<String>, String) {
        (self.namespace, self.name)
    }

    fn parts(&self) -> (&Option<String>, &str) {
        (&self.namespace, &self.name)
    }
}

impl<K: Resource> From<&K> for ObjectRef<K> {
    fn from(object: &K) -> Self {
        Self { namespace: object.namespace(), name: object.name_any(), kind: PhantomData }
    }
}

impl<K: Resource> From<&Object<K>> for ObjectRef<K> {
    fn from(object: &Object<K>) -> Self {
        Self::from(&**object)
    }
}

/// From a namespace and a name.
impl<K> From<(&str, &str)> for ObjectRef<K> {
    fn from((namespace, name): (&str, &str)) -> Self {
        Self::new(name).within(namespace)
    }
}

impl<S: ObjectScope> FromCall<S> for ObjectRef<S::Kind> {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let body = S::object(call).body();
        let namespace = body.namespace().map(Into::into);
        Ok(Self { namespace, name: body.name().into(), kind: PhantomData })
    }
}

// By hand: nothing of this depends on the kind's type.
impl<K> Clone for ObjectRef<K> {
    fn clone(&self) -> Self {
        Self { namespace: self.namespace.clone(), name: self.name.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for ObjectRef<K> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl<K> Eq for ObjectRef<K> {}

impl<K> PartialOrd for ObjectRef<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for ObjectRef<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl<K> hash::Hash for ObjectRef<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl<K> fmt::Display for ObjectRef<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl<K> fmt::Debug for ObjectRef<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectRef").field(&self.to_string()).finish()
    }
}
