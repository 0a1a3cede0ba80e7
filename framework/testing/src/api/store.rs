//! Store: the current objects, and the history of their changes.

use super::{
    answer::Rejection,
    built_in,
    log::Effect,
    managers::Managers,
    meta,
    served::ServedKind,
    target::{Collection, GroupResource},
};
use kube::core::{ApiResource, Version};
use serde_json::{Value, json};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A stored object; never changed, only replaced.
pub(super) type Stored = Arc<Value>;

/// A change of an object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub revision: u64,
    pub group_resource: GroupResource,
    pub key: String,
    pub before: Option<Stored>,
    pub after: Option<Stored>,
}

#[derive(Debug)]
struct Table {
    served: ServedKind,
    /// The revision at which the kind was added.
    since: u64,
    objects: BTreeMap<String, Stored>,
    /// Who has set the fields of the objects with these keys.
    managers: BTreeMap<String, Managers>,
}

impl Table {
    fn new(served: ServedKind, since: u64) -> Self {
        Self { served, since, objects: BTreeMap::new(), managers: BTreeMap::new() }
    }
}

/// All objects of all kinds, with one count of revisions.
#[derive(Debug)]
pub(super) struct Store {
    tables: BTreeMap<GroupResource, Table>,
    history: VecDeque<Change>,
    revision: u64,
    forgotten: u64,
    names: u64,
}

/// The namespaces of a new cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

fn first_namespace(number: u64, name: &str) -> (String, Stored) {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "uid": format!("00000000-0000-4000-9000-{number:012}"),
            "resourceVersion": number.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    });
    (name.to_owned(), Arc::new(object))
}

impl Default for Store {
    /// The server starts with the built-in kinds and the first namespaces, and with a forgotten past, so that old versions can be requested.
    fn default() -> Self {
        let table = |served: ServedKind| (served.group_resource(), Table::new(served, 0));
        let mut tables: BTreeMap<_, _> = built_in::all().into_iter().map(table).collect();
        for table in tables.values_mut().filter(|table| table.served.resource.kind == "Namespace") {
            table.objects =
                (1..).zip(NAMESPACES).map(|(number, name)| first_namespace(number, name)).collect();
        }
        Self { tables, history: VecDeque::new(), revision: 1000, forgotten: 0, names: 0 }
    }
}

impl Store {
    pub fn serve(&mut self, served: ServedKind) {
        self.revision += 1;
        let table = Table::new(served, self.revision);
        let group_resource = table.served.group_resource();
        let table = match self.tables.remove(&group_resource) {
            Some(before) => Table { objects: before.objects, managers: before.managers, ..table },
            None => table,
        };
        self.tables.insert(group_resource, table);
    }

    /// Removes a kind with all its objects.
    pub fn remove_kind(&mut self, group_resource: &GroupResource) {
        self.revision += 1;
        self.tables.remove(group_resource);
        self.history.retain(|change| change.group_resource != *group_resource);
    }

    /// Whether a version of a group has any kinds; the core group is always there.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        (group.is_empty() && version == "v1") || self.of_version(group, version).next().is_some()
    }

    fn of_version(&self, group: &str, version: &str) -> impl Iterator<Item = &ServedKind> {
        let kinds = self.tables.values().map(|table| &table.served);
        kinds.filter(move |served| served.resource.group == group && served.resource.version == version)
    }

    /// The `APIResourceList` of a version of a group.
    pub fn discovery(&self, group: &str, version: &str) -> Value {
        let title = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let entries: Vec<_> = self.of_version(group, version).flat_map(ServedKind::discovery).collect();
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": title, "resources": entries})
    }

    /// The `APIGroupDiscoveryList` of these groups: all that is served of them, in one answer.
    pub fn groups(&self, is_meant: impl Fn(&str) -> bool) -> Value {
        let mut groups: BTreeMap<&str, BTreeMap<_, Vec<Value>>> = BTreeMap::new();
        for served in self.tables.values().map(|table| &table.served) {
            let ApiResource { group, version, .. } = &served.resource;
            if is_meant(group) {
                let preference = Reverse(Version::parse(version).priority());
                let versions = groups.entry(group).or_default();
                versions.entry((preference, version)).or_default().push(served.aggregated());
            }
        }
        let version = |((_, version), resources)| {
            let resources: Vec<Value> = resources;
            json!({"version": version, "resources": resources, "freshness": "Current"})
        };
        let group = |(name, versions): (&str, BTreeMap<_, _>)| {
            let versions: Vec<_> = versions.into_iter().map(version).collect();
            json!({"metadata": {"name": name}, "versions": versions})
        };
        let items: Vec<_> = groups.into_iter().map(group).collect();
        json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        })
    }

    /// The collection again, if its kind is served in this version.
    pub fn known(&self, collection: Collection, version: &str) -> Result<Collection, Rejection> {
        let GroupResource { group, plural } = &collection.group_resource;
        let Some(table) = self.tables.get(&collection.group_resource) else {
            return Err(Rejection::not_served(group, version, plural));
        };
        let served = &table.served;
        if served.resource.version != version {
            let here = &served.resource.api_version;
            return Err(Rejection::unknown_path(&format!("`{plural}` are served as {here} alone")));
        }
        if collection.namespace.is_some() && !served.namespaced {
            return Err(Rejection::unknown_path(&format!("`{plural}` have no namespace")));
        }
        Ok(collection)
    }

    fn table(&self, group_resource: &GroupResource) -> Result<&Table, Rejection> {
        self.tables.get(group_resource).ok_or_else(Rejection::no_such_path)
    }

    pub fn served(&self, group_resource: &GroupResource) -> Result<&ServedKind, Rejection> {
        self.table(group_resource).map(|table| &table.served)
    }

    pub fn get(&self, collection: &Collection, name: &str) -> Result<Stored, Rejection> {
        let table = self.table(&collection.group_resource)?;
        let found = table.objects.get(&collection.key(name)).cloned();
        found.ok_or_else(|| Rejection::not_found(&table.served, name))
    }

    /// The managers of an object's fields; none if there is no such object.
    pub fn managers(&self, collection: &Collection, name: &str) -> Managers {
        let table = self.tables.get(&collection.group_resource);
        table.and_then(|table| table.managers.get(&collection.key(name)).cloned()).unwrap_or_default()
    }

    /// The objects of a collection as they are now, by their keys.
    pub fn objects(&self, collection: &Collection) -> Result<BTreeMap<String, Stored>, Rejection> {
        let here = self.table(&collection.group_resource)?.objects.iter();
        let here = here.filter(|(key, _)| collection.holds(&collection.group_resource, key));
        Ok(here.map(|(key, object)| (key.clone(), Arc::clone(object))).collect())
    }

    /// The objects of a collection as they were at a revision.
    pub fn objects_at(
        &self,
        collection: &Collection,
        revision: u64,
    ) -> Result<BTreeMap<String, Stored>, Rejection> {
        if revision < self.oldest(&collection.group_resource)? {
            return Err(Rejection::expired_page());
        }
        let mut objects = self.objects(collection)?;
        let later = self.history.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| collection.holds(&change.group_resource, &change.key)) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The oldest revision from which all changes of a kind are known.
    pub fn oldest(&self, group_resource: &GroupResource) -> Result<u64, Rejection> {
        Ok(self.table(group_resource)?.since.max(self.forgotten))
    }

    /// The changes in a collection after a revision.
    pub fn changes(&self, collection: &Collection, after: u64) -> Vec<Change> {
        let newest = self.history.iter().rev().take_while(|change| change.revision > after);
        let here = newest.filter(|change| collection.holds(&change.group_resource, &change.key));
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

    /// Counts a change outside of this store.
    pub fn skip(&mut self) {
        self.revision += 1;
    }

    /// Forgets all earlier versions.
    pub fn compact(&mut self) {
        self.forgotten = self.revision;
        self.history.clear();
    }

    /// A unique number for names and uids.
    pub fn fresh(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// Stores the new state of an object, with its revision.
    pub fn store(
        &mut self,
        collection: &Collection,
        name: &str,
        mut object: Value,
        managers: Managers,
    ) -> Result<Stored, Rejection> {
        meta::set(&mut object, "resourceVersion", (self.revision + 1).to_string());
        let object = Arc::new(object);
        self.commit(collection, name, Some((Arc::clone(&object), managers)))?;
        Ok(object)
    }

    /// Removes an object, and its namespace if that has waited for it.
    pub fn remove(&mut self, collection: &Collection, name: &str) -> Result<(), Rejection> {
        self.commit(collection, name, None)?;
        collection.namespace.as_ref().map_or(Ok(()), |namespace| self.release(namespace))
    }

    /// All objects in a namespace.
    pub fn content(&self, namespace: &str) -> Vec<(Collection, String)> {
        let namespaced = self.tables.iter().filter(|(_, table)| table.served.namespaced);
        let all = namespaced.flat_map(|(group_resource, table)| {
            table.objects.keys().filter_map(|key| {
                let (place, name) = key.split_once('/')?;
                let collection =
                    Collection { group_resource: group_resource.clone(), namespace: Some(place.to_owned()) };
                Some((collection, name.to_owned()))
            })
        });
        all.filter(|(collection, _)| collection.namespace.as_deref() == Some(namespace)).collect()
    }

    /// The `APIGroup` with all versions of a group in which kinds are served.
    pub fn group(&self, group: &str) -> Result<Value, Rejection> {
        let kinds = self.tables.values().map(|table| &table.served.resource);
        let versions: BTreeSet<_> =
            kinds.filter(|resource| resource.group == group).map(|resource| &resource.version).collect();
        let entry =
            |version: &&String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
        let entries: Vec<_> = versions.iter().map(entry).collect();
        let preferred = entries.last().cloned().ok_or_else(Rejection::no_such_path)?;
        Ok(json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": entries, "preferredVersion": preferred,
        }))
    }

    fn commit(
        &mut self,
        collection: &Collection,
        name: &str,
        after: Option<(Stored, Managers)>,
    ) -> Result<(), Rejection> {
        let (group_resource, key) = (collection.group_resource.clone(), collection.key(name));
        let table = self.tables.get_mut(&group_resource).ok_or_else(Rejection::no_such_path)?;
        table.managers.remove(&key);
        let after = after.map(|(object, managers)| {
            table.managers.insert(key.clone(), managers);
            object
        });
        let before = match &after {
            Some(object) => table.objects.insert(key.clone(), Arc::clone(object)),
            None => table.objects.remove(&key),
        };
        self.revision += 1;
        self.history.push_back(Change { revision: self.revision, group_resource, key, before, after });
        Ok(())
    }
}
