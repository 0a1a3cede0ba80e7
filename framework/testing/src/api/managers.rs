//! Field managers: who has set which fields of an object.

use super::{
    fields::{Difference, Path, fields},
    shape::Shape,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The author of a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Author<'a> {
    /// The field manager: the parameter of the request, or the name of the client.
    pub manager: &'a str,
    pub now: Timestamp,
}

/// A field manager. Applied fields and others are owned separately, and so is the status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub name: String,
    pub applies: bool,
    pub status: bool,
}

/// A field that another manager has set to another value.
#[derive(Clone, Debug)]
pub(super) struct FieldConflict {
    manager: Manager,
    pub path: Path,
}

impl FieldConflict {
    /// The other manager, in the words of the real server.
    pub fn manager(&self, version: &str) -> String {
        let Manager { name, applies, status } = &self.manager;
        let subresource = if *status { " with subresource \"status\"" } else { "" };
        match applies {
            true => format!("{name:?}{subresource}"),
            false => format!("{name:?}{subresource} using {version}"),
        }
    }

    /// The entry of this conflict in the details of the answer.
    pub fn cause(&self, version: &str) -> Value {
        let message = format!("conflict with {}", self.manager(version));
        json!({"reason": "FieldManagerConflict", "message": message, "field": self.path.to_string()})
    }
}

/// The managers of an object's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managers(BTreeMap<Manager, BTreeSet<Path>>);

impl Managers {
    /// The creator of an object owns all that the request has.
    pub fn of_new(manager: Manager, object: &Value, shape: Shape<'_>) -> Self {
        Self(BTreeMap::from([(manager, fields(object, shape))]))
    }

    /// Notes a write that isn't an apply: its author owns what it has changed, and no one else does.
    pub fn updated(&mut self, manager: Manager, (old, new): (&Value, &Value), shape: Shape<'_>) {
        let Difference { set, removed } = Difference::between(old, new, shape);
        self.take(|path| set.contains(path) || removed.contains(path));
        if !set.is_empty() {
            self.0.entry(manager).or_default().extend(set);
        }
    }

    /// The conflicts of an apply that changes these fields.
    pub fn conflicts(&self, manager: &Manager, changed: &BTreeSet<Path>) -> Vec<FieldConflict> {
        let others = self.0.iter().filter(|(other, _)| *other != manager);
        let conflicts = others.flat_map(|(other, owned)| {
            let both = owned.intersection(changed);
            both.map(|path| FieldConflict { manager: other.clone(), path: path.clone() })
        });
        conflicts.collect()
    }

    /// Notes an apply: its author owns what it has applied. Returns what it no longer applies and no one else owns.
    pub fn applied(
        &mut self,
        manager: Manager,
        applied: BTreeSet<Path>,
        changed: &BTreeSet<Path>,
    ) -> Vec<Path> {
        let before = self.0.remove(&manager).unwrap_or_default();
        self.take(|path| changed.contains(path));
        if !applied.is_empty() {
            self.0.insert(manager, applied);
        }
        let owned = |path: &Path| {
            let here =
                |owned: &BTreeSet<Path>| owned.iter().any(|other| other == path || path.contains(other));
            self.0.values().any(here)
        };
        before.into_iter().filter(|path| !owned(path)).collect()
    }

    fn take(&mut self, taken: impl Fn(&Path) -> bool) {
        self.0.retain(|_, owned| {
            owned.retain(|path| !taken(path));
            !owned.is_empty()
        });
    }
}
