//! Index of objects: what index functions have said of them, by keys.

use crate::{
    argument::{FromCall, Rejection, Requirements},
    core::{
        Uid,
        body::Body,
        error::{Error, panic_message},
        index::Entries,
    },
    scope::HandlerScope,
};
use std::{
    any::{Any, TypeId, type_name},
    borrow::Borrow,
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    vec,
};

/// An index: what an [index function](macro@crate::index) has returned for the objects of its kind, by keys.
///
/// It shows the newest state that the watch has brought, also in a handler that runs for long. Each method returns values
/// of its own, which stay as they are: two calls may see two states. The values of a key are in the order of the namespaces
/// and names of their objects, keys are in their own order.
///
/// There is one index of each type: wrap a key or a value in a type of your own for another one. An operator with a handler
/// that takes an index which no function fills doesn't start; an `Option<Index<_, _>>` is none instead.
///
/// ```
/// use k8s_openapi::api::core::v1::{Node, Pod};
/// use korf::{Index, Name, Object, Result};
///
/// /// The names of the pods on each node.
/// #[korf::index(Pod)]
/// fn by_node(pod: Object<Pod>, name: Name) -> Option<(String, Name)> {
///     Some((pod.spec.as_ref()?.node_name.clone()?, name))
/// }
///
/// #[korf::on_resume(Node)]
/// async fn count(node: Name, pods: Index<String, Name>) -> Result {
///     println!("{} pods on {node}", pods.get(&*node).len());
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// // In a test, an index is made of its pairs.
/// let pods = Index::from_iter([("n1".to_owned(), Name::from("a")), ("n1".to_owned(), Name::from("b"))]);
/// assert!(count("n1".into(), pods).await.is_ok());
/// # });
/// ```
pub struct Index<K, V>(Arc<RwLock<Entries<K, V>>>);

impl<K: Ord + Clone, V> Index<K, V> {
    /// The values of a key; none if no object has it.
    pub fn get<Q>(&self, key: &Q) -> Vec<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.read().get(key).cloned().collect()
    }

    /// Whether an object has this key.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.read().contains(key)
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// All keys.
    pub fn keys(&self) -> Vec<K> {
        self.read().keys().cloned().collect()
    }

    /// All keys with their values, as they are now. It copies all keys, and references to all values.
    pub fn iter(&self) -> vec::IntoIter<(K, Vec<Arc<V>>)> {
        let all = self.read();
        all.iter()
            .map(|(key, values)| (key.clone(), values.cloned().collect()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// No guard leaves this type: a handler can't hold one while it waits.
    fn read(&self) -> RwLockReadGuard<'_, Entries<K, V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what an object has.
    ///
    /// # Errors
    /// The comparison of a key or the end of a value has panicked: what the object has now isn't right.
    pub(crate) fn replace(&self, body: &Body, pairs: Vec<(K, V)>) -> Result<(), Error> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = catch_unwind(AssertUnwindSafe(|| entries.replace(body, pairs)));
        replaced.map_err(|panic| Error::permanent(panic_message(panic.as_ref())))
    }
}

impl<K: Ord + Clone, V> IntoIterator for &Index<K, V> {
    type Item = (K, Vec<Arc<V>>);
    type IntoIter = vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An index of these pairs, for tests of handlers.
impl<K: Ord + Clone, V> FromIterator<(K, V)> for Index<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(Arc::new(RwLock::new(Entries::of_none(pairs))))
    }
}

/// The same index, shared.
impl<K, V> Clone for Index<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// Keys and values are what objects contain: they must not get into logs.
impl<K, V> fmt::Debug for Index<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(&IndexType::name_of::<K, V>()).finish_non_exhaustive()
    }
}

impl<S, K, V> FromCall<S> for Index<K, V>
where
    S: HandlerScope,
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let missing = || Rejection::object(format!("no function fills `{}`", IndexType::name_of::<K, V>()));
        S::context(call).indexes.get().ok_or_else(missing)
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.index::<K, V>();
    }
}

/// The types of an index.
#[derive(Clone, Copy)]
pub(crate) struct IndexType {
    id: TypeId,
    name: fn() -> String,
    make: fn() -> Arc<dyn AnyIndex>,
}

impl IndexType {
    /// That of `Index<K, V>`.
    pub(crate) fn of<K, V>() -> Self
    where
        K: Ord + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let make = || Arc::new(RwLock::new(Entries::<K, V>::default())) as Arc<dyn AnyIndex>;
        Self { id: TypeId::of::<Index<K, V>>(), name: Self::name_of::<K, V>, make }
    }

    fn name_of<K, V>() -> String {
        format!("Index<{}, {}>", type_name::<K>(), type_name::<V>())
    }
}

impl PartialEq for IndexType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for IndexType {}

/// Its name, for messages.
impl fmt::Display for IndexType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&(self.name)())
    }
}

impl fmt::Debug for IndexType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An index of any type.
pub(crate) trait AnyIndex: Any + Send + Sync {
    /// Removes all that an object has.
    fn remove(&self, uid: &Uid);
}

impl<K, V> AnyIndex for RwLock<Entries<K, V>>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn remove(&self, uid: &Uid) {
        self.write().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

/// The indexes of an operator, by their types.
#[derive(Clone, Default)]
pub(crate) struct Indexes(HashMap<TypeId, Arc<dyn AnyIndex>>);

impl Indexes {
    /// Empty indexes of these types.
    pub fn of(types: impl IntoIterator<Item = IndexType>) -> Self {
        Self(types.into_iter().map(|of| (of.id, (of.make)())).collect())
    }

    /// The index of these types.
    pub fn get<K: 'static, V: 'static>(&self) -> Option<Index<K, V>>
    where
        RwLock<Entries<K, V>>: Send + Sync,
    {
        let index: Arc<dyn Any + Send + Sync> = self.0.get(&TypeId::of::<Index<K, V>>())?.clone();
        index.downcast().ok().map(Index)
    }

    /// The index of a type.
    pub fn any(&self, of: IndexType) -> Option<&Arc<dyn AnyIndex>> {
        self.0.get(&of.id)
    }
}

impl fmt::Debug for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Indexes").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(name: &str) -> Body {
        json!({"metadata": {"namespace": "default", "name": name, "uid": name}}).into()
    }

    #[test]
    fn a_shared_index_shows_what_is_new_and_what_was_taken_stays() {
        let index = Index::from_iter([("x", 1)]);
        let (taken, shared) = (index.get("x"), index.clone());
        index.replace(&body("a"), vec![("x", 2), ("y", 3)]).unwrap();
        assert_eq!((taken, shared.get("x").len()), (vec![Arc::new(1)], 2));
        assert_eq!((shared.keys(), shared.len(), shared.contains("y")), (vec!["x", "y"], 2, true));
        let all: Vec<_> = shared.iter().map(|(key, values)| (key, values.len())).collect();
        assert_eq!(all, [("x", 2), ("y", 1)]);
    }

    #[test]
    fn an_index_is_found_by_its_types() {
        let indexes = Indexes::of([IndexType::of::<String, u32>()]);
        let index = indexes.get::<String, u32>().unwrap();
        index.replace(&body("a"), vec![("x".to_owned(), 1)]).unwrap();
        assert_eq!(indexes.get::<String, u32>().unwrap().get("x"), [Arc::new(1)]);
        indexes.any(IndexType::of::<String, u32>()).unwrap().remove(&"a".into());
        assert!(index.is_empty());
        assert!(indexes.get::<String, u64>().is_none());
    }

    #[test]
    fn the_debug_form_has_types_alone() {
        let index = Index::from_iter([("secret".to_owned(), 1_u8)]);
        assert_eq!(format!("{index:?}"), "Index<alloc::string::String, u8>(..)");
    }
}
