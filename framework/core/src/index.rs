//! Entries of an index: values by keys, each of some object.

use crate::{Uid, body::Body, error::Error, retry::OnError};
use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

/// The values of many objects by keys. What one object has is replaced and removed in a time that doesn't depend on the
/// number of the others (but for the depth of a tree).
#[derive(Debug)]
pub struct Entries<K, V> {
    values: BTreeMap<K, BTreeMap<Place, Arc<V>>>,
    /// The keys of each object, with the object in the order of values.
    objects: HashMap<Uid, (Arc<Owner>, Vec<K>)>,
}

/// The object of a value, in the order of a key's values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    namespace: Box<str>,
    name: Box<str>,
    uid: Option<Uid>,
}

/// The place of a value among those of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    owner: Arc<Owner>,
    /// Among the pairs of its object.
    number: usize,
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), objects: HashMap::new() }
    }
}

impl<K: Ord + Clone, V> Entries<K, V> {
    /// Entries that are no object's, in this order.
    pub fn of_none(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut entries = Self::default();
        entries.insert(&Arc::default(), pairs);
        entries
    }

    /// Replaces all that an object has.
    pub fn replace(&mut self, body: &Body, pairs: impl IntoIterator<Item = (K, V)>) {
        let uid = Uid::from(body.uid());
        let pairs: Vec<_> = pairs.into_iter().collect();
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
        self.remove(&uid);
        if keys.is_empty() {
            return;
        }
        let (namespace, name) = (body.namespace().unwrap_or_default().into(), body.name().into());
        let owner = Arc::new(Owner { namespace, name, uid: Some(uid.clone()) });
        // Before its pairs: a comparison of keys is the user's code, and may panic.
        self.objects.insert(uid, (Arc::clone(&owner), keys));
        self.insert(&owner, pairs);
    }

    fn insert(&mut self, owner: &Arc<Owner>, pairs: impl IntoIterator<Item = (K, V)>) {
        for (number, (key, value)) in pairs.into_iter().enumerate() {
            let place = Place { owner: Arc::clone(owner), number };
            self.values.entry(key).or_default().insert(place, Arc::new(value));
        }
    }

    /// Removes all that an object has. Where the comparison of a key or the end of a value panics, all others are removed
    /// before that goes on.
    pub fn remove(&mut self, uid: &Uid) {
        let Some((owner, keys)) = self.objects.remove(uid) else { return };
        let mut panic = None;
        for (number, key) in keys.into_iter().enumerate() {
            let place = Place { owner: Arc::clone(&owner), number };
            let removed = catch_unwind(AssertUnwindSafe(|| self.remove_place(key, &place)));
            panic = panic.or(removed.err());
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    fn remove_place(&mut self, key: K, place: &Place) {
        let Some(values) = self.values.get_mut(&key) else { return };
        let last = values.remove(place);
        if values.is_empty() {
            self.values.remove(&key);
        }
        drop(last);
    }

    /// The values of a key, in the order of their objects' namespaces and names; of one object, in the order in which it
    /// was given them.
    pub fn get<Q>(&self, key: &Q) -> impl Iterator<Item = &Arc<V>>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.values.get(key).into_iter().flat_map(BTreeMap::values)
    }

    /// Whether a key has values.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.values.contains_key(key)
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.values.keys()
    }

    /// The keys with their values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, impl Iterator<Item = &Arc<V>>)> {
        self.values.iter().map(|(key, values)| (key, values.values()))
    }
}

/// Whether an object keeps its entries when its index function fails. Only an error that nobody has classified, and that is
/// to be ignored, says nothing about the object; any other removes the entries, which may be wrong by now.
pub fn keeps_entries(error: &Error, errors: OnError) -> bool {
    errors == OnError::Ignored && matches!(error, Error::Unclassified(_) | Error::Outage { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;
    use std::time::Duration;

    fn object(namespace: &str, name: &str, uid: &str) -> Body {
        json!({"metadata": {"namespace": namespace, "name": name, "uid": uid}}).into()
    }

    fn all(entries: &Entries<String, u32>) -> Vec<(String, Vec<u32>)> {
        entries.iter().map(|(key, values)| (key.clone(), values.map(|value| **value).collect())).collect()
    }

    fn pairs(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
    }

    #[test]
    fn the_values_of_a_key_are_in_the_order_of_namespaces_names_and_pairs() {
        let mut entries = Entries::default();
        entries.replace(&object("b", "a", "1"), pairs(&[("x", 1)]));
        entries.replace(&object("a", "z", "2"), pairs(&[("x", 2), ("y", 3), ("x", 4)]));
        entries.replace(&object("a", "b", "3"), pairs(&[("x", 5)]));
        assert_eq!(all(&entries), [("x".into(), vec![5, 2, 4, 1]), ("y".into(), vec![3])]);
        assert!(entries.contains("x") && !entries.contains("z"));
        assert_eq!((entries.len(), entries.get("z").count()), (2, 0));
    }

    #[test]
    fn another_object_of_the_same_name_has_entries_of_its_own() {
        let mut entries = Entries::default();
        entries.replace(&object("a", "a", "1"), pairs(&[("x", 1)]));
        entries.replace(&object("a", "a", "2"), pairs(&[("x", 2)]));
        assert_eq!(all(&entries), [("x".into(), vec![1, 2])]);
        entries.remove(&"1".into());
        assert_eq!(all(&entries), [("x".into(), vec![2])]);
    }

    #[test]
    fn nothing_is_left_of_objects_without_entries() {
        let mut entries = Entries::default();
        entries.replace(&object("a", "a", "1"), pairs(&[("x", 1), ("x", 2)]));
        entries.replace(&object("a", "b", "2"), pairs(&[("y", 1)]));
        entries.replace(&object("a", "a", "1"), pairs(&[]));
        entries.remove(&"2".into());
        assert!(entries.is_empty() && entries.objects.is_empty());
    }

    #[test]
    fn entries_that_are_no_objects_stay_in_their_order() {
        let entries = Entries::of_none(pairs(&[("y", 2), ("x", 9), ("y", 1)]));
        assert_eq!(all(&entries), [("x".into(), vec![9]), ("y".into(), vec![2, 1])]);
    }

    /// A key whose comparison panics where one of the two is odd, and a value whose end does.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Odd(u32);

    impl PartialOrd for Odd {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Odd {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            assert!(self.0 != 13 && other.0 != 13, "oops");
            self.0.cmp(&other.0)
        }
    }

    #[derive(Debug)]
    struct Touchy(u32);

    impl Drop for Touchy {
        fn drop(&mut self) {
            assert!(self.0 != 13, "oops");
        }
    }

    #[test]
    fn pairs_whose_insertion_is_cut_by_a_panic_are_still_their_object_s() {
        let mut entries = Entries::default();
        entries.replace(&object("a", "b", "2"), [(Odd(1), 0)]);
        let pairs = [(Odd(1), 1), (Odd(2), 2), (Odd(13), 3), (Odd(4), 4)];
        let cut = catch_unwind(AssertUnwindSafe(|| entries.replace(&object("a", "a", "1"), pairs)));
        assert!(cut.is_err() && entries.contains(&Odd(2)));
        let cut = catch_unwind(AssertUnwindSafe(|| entries.remove(&"1".into())));
        assert!(cut.is_err());
        let left: Vec<_> = entries.iter().map(|(key, values)| (key.0, values.count())).collect();
        assert_eq!(left, [(1, 1)], "all is removed that can be");
    }

    #[test]
    fn a_value_whose_end_panics_leaves_no_other_behind() {
        let mut entries = Entries::default();
        entries.replace(&object("a", "a", "1"), [("x", Touchy(1)), ("y", Touchy(13)), ("z", Touchy(2))]);
        let ended = catch_unwind(AssertUnwindSafe(|| entries.remove(&"1".into())));
        assert!(ended.is_err() && entries.is_empty() && entries.objects.is_empty());
    }

    #[test]
    fn entries_are_kept_where_an_arbitrary_error_is_ignored() {
        let arbitrary = || Error::Unclassified("oh".into());
        for (error, errors, kept) in [
            (arbitrary(), OnError::Ignored, true),
            (arbitrary(), OnError::Temporary, false),
            (arbitrary(), OnError::Permanent, false),
            (Error::permanent("no"), OnError::Ignored, false),
            (Error::temporary("not yet", Duration::ZERO), OnError::Ignored, false),
            (Error::outage("the database", "gone", Duration::ZERO), OnError::Ignored, true),
        ] {
            assert_eq!(keeps_entries(&error, errors), kept, "{error} {errors:?}");
        }
    }

    proptest! {
        /// Whatever came before, the entries are those of the last results of the objects that are there.
        #[test]
        fn entries_are_what_the_last_results_make_of_nothing(
            steps in vec((0..5_u32, prop::option::of(vec(("[xyz]", 0..9_u32), 0..4))), 0..30),
        ) {
            let object = |number: &u32| object("a", &format!("n{number}"), &format!("u{number}"));
            let (mut entries, mut last) = (Entries::default(), BTreeMap::new());
            for (number, result) in steps {
                match result {
                    Some(pairs) => {
                        entries.replace(&object(&number), pairs.clone());
                        last.insert(number, pairs);
                    }
                    None => {
                        entries.remove(&object(&number).uid().into());
                        last.remove(&number);
                    }
                }
            }
            let mut expected = Entries::default();
            for (number, pairs) in &last {
                expected.replace(&object(number), pairs.clone());
            }
            prop_assert_eq!(all(&entries), all(&expected));
            let with_some = last.values().filter(|pairs| !pairs.is_empty()).count();
            prop_assert_eq!(entries.objects.len(), with_some);
        }
    }
}
