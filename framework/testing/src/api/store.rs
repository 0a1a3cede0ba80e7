//! What is stored: the objects as they are, and what has become of them since the history begins.

use super::{
    answer::Refusal,
    log::Effect,
    meta,
    path::{Family, Place},
    served::Served,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A stored object; never changed, only replaced.
pub(super) type Stored = Arc<Value>;

/// How an object came to be what it is.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub revision: u64,
    pub family: Family,
    pub key: String,
    pub before: Option<Stored>,
    pub after: Option<Stored>,
}

#[derive(Debug)]
struct Table {
    served: Served,
    /// The revision at which the kind came; nothing is known of the time before.
    since: u64,
    objects: BTreeMap<String, Stored>,
}

/// All objects of all kinds, with one count of revisions.
#[derive(Debug)]
pub(super) struct Store {
    tables: BTreeMap<Family, Table>,
    history: VecDeque<Change>,
    revision: u64,
    forgotten: u64,
    names: u64,
}

impl Default for Store {
    /// The server has a past that nobody knows: old versions can be asked for.
    fn default() -> Self {
        Self { tables: BTreeMap::new(), history: VecDeque::new(), revision: 1000, forgotten: 0, names: 0 }
    }
}

impl Store {
    pub fn serve(&mut self, served: Served) {
        let family = Family { group: served.resource.group.clone(), plural: served.resource.plural.clone() };
        self.revision += 1;
        let since = self.revision;
        let objects = self.tables.remove(&family).map(|table| table.objects).unwrap_or_default();
        self.tables.insert(family, Table { served, since, objects });
    }

    /// Takes a kind away, with all its objects.
    pub fn withdraw(&mut self, family: &Family) {
        self.revision += 1;
        self.tables.remove(family);
        self.history.retain(|change| change.family != *family);
    }

    /// Whether a version of a group has any kinds; the core group is always there.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        (group.is_empty() && version == "v1") || self.of_version(group, version).next().is_some()
    }

    fn of_version(&self, group: &str, version: &str) -> impl Iterator<Item = &Served> {
        let kinds = self.tables.values().map(|table| &table.served);
        kinds.filter(move |served| served.resource.group == group && served.resource.version == version)
    }

    /// The `APIResourceList` of a version of a group.
    pub fn discovery(&self, group: &str, version: &str) -> Value {
        let title = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let entries: Vec<_> = self.of_version(group, version).flat_map(Served::discovery).collect();
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": title, "resources": entries})
    }

    /// The place again, if its kind is served in this version.
    pub fn known(&self, place: Place, version: &str) -> Result<Place, Refusal> {
        let table = self.tables.get(&place.family).filter(|table| table.served.resource.version == version);
        let fits = |table: &&Table| table.served.namespaced || place.namespace.is_none();
        table.filter(fits).map(|_| ()).ok_or_else(Refusal::no_such_path)?;
        Ok(place)
    }

    fn table(&self, family: &Family) -> Result<&Table, Refusal> {
        self.tables.get(family).ok_or_else(Refusal::no_such_path)
    }

    pub fn served(&self, family: &Family) -> Result<&Served, Refusal> {
        self.table(family).map(|table| &table.served)
    }

    pub fn get(&self, place: &Place, name: &str) -> Result<Stored, Refusal> {
        let table = self.table(&place.family)?;
        let found = table.objects.get(&place.key(name)).cloned();
        found.ok_or_else(|| Refusal::not_found(&table.served, name))
    }

    /// The objects of a place as they are now, by their keys.
    pub fn objects(&self, place: &Place) -> Result<BTreeMap<String, Stored>, Refusal> {
        let here = self.table(&place.family)?.objects.iter();
        let here = here.filter(|(key, _)| place.holds(&place.family, key));
        Ok(here.map(|(key, object)| (key.clone(), Arc::clone(object))).collect())
    }

    /// The objects of a place as they were at a revision.
    pub fn objects_at(&self, place: &Place, revision: u64) -> Result<BTreeMap<String, Stored>, Refusal> {
        if revision < self.oldest(&place.family)? {
            return Err(Refusal::expired_page());
        }
        let mut objects = self.objects(place)?;
        let later = self.history.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| place.holds(&change.family, &change.key)) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The oldest revision from which all changes of a kind are known.
    pub fn oldest(&self, family: &Family) -> Result<u64, Refusal> {
        Ok(self.table(family)?.since.max(self.forgotten))
    }

    /// What has changed in a place after a revision.
    pub fn changes(&self, place: &Place, after: u64) -> Vec<Change> {
        let newest = self.history.iter().rev().take_while(|change| change.revision > after);
        let here = newest.filter(|change| place.holds(&change.family, &change.key));
        let mut changes: Vec<_> = here.cloned().collect();
        changes.reverse();
        changes
    }

    /// The number of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The last change, if it came after a revision.
    pub fn last_change(&self, after: u64) -> Option<Effect> {
        let change = self.history.back().filter(|change| change.revision > after)?;
        Some(Effect { revision: change.revision, before: change.before.clone(), after: change.after.clone() })
    }

    /// Counts a change of something that nobody here watches.
    pub fn skip(&mut self) {
        self.revision += 1;
    }

    /// Forgets what was before now.
    pub fn compact(&mut self) {
        self.forgotten = self.revision;
        self.history.clear();
    }

    /// A number that no other name or uid has.
    pub fn fresh(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Stores what an object has become, with the revision that this is.
    pub fn store(&mut self, place: &Place, name: &str, mut object: Value) -> Result<Stored, Refusal> {
        meta::set(&mut object, "resourceVersion", (self.revision + 1).to_string());
        let object = Arc::new(object);
        self.commit(place, name, Some(Arc::clone(&object)))?;
        Ok(object)
    }

    /// Takes an object away.
    pub fn remove(&mut self, place: &Place, name: &str) -> Result<(), Refusal> {
        self.commit(place, name, None)
    }

    fn commit(&mut self, place: &Place, name: &str, after: Option<Stored>) -> Result<(), Refusal> {
        let (family, key) = (place.family.clone(), place.key(name));
        let table = self.tables.get_mut(&family).ok_or_else(Refusal::no_such_path)?;
        let before = match &after {
            Some(object) => table.objects.insert(key.clone(), Arc::clone(object)),
            None => table.objects.remove(&key),
        };
        self.revision += 1;
        self.history.push_back(Change { revision: self.revision, family, key, before, after });
        Ok(())
    }
}
