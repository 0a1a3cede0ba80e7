//! Kubernetes Events about an object, which `kubectl describe` shows; pure.
//!
//! There is one where something was done to the table, and where the trouble with an object begins, becomes another, or is over. What
//! was told before is known from the status: neither a failure that repeats nor a new process tells it once more.
//!
//! An outage is told at an object whose change or deletion waits for its end. Nobody waits where only a look has failed at a
//! table that was as its spec asks; at the start of the operator, that may be each of thousands.

use crate::{
    outcome::{Adoption, Applied, Dropped, LEFT, Outcome},
    plan::Repair,
    status::{ConditionReason, TableStatus},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use korf::{EventRecorder, extract::Severity};

/// An event about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEvent {
    /// Its type.
    pub severity: Severity,
    /// What has happened, in one word.
    pub reason: String,
    /// What has happened, for people.
    pub message: String,
}

/// What was told last of an object's trouble, by this process. It counts where the status doesn't tell it, because the API server
/// rejects the status, say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastTold {
    reason: Option<String>,
    generation: Option<i64>,
    /// What somebody has changed of the table, if it isn't put right yet.
    drift: Option<String>,
}

impl LastTold {
    /// That the trouble is over.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// Takes in an event about this generation of the object, if it isn't told already.
    pub fn take_in(&mut self, event: TableEvent, generation: Option<i64>) -> Option<TableEvent> {
        let told = Self { reason: Some(event.reason.clone()), generation, drift: self.drift.clone() };
        (std::mem::replace(self, told.clone()) != told).then_some(event)
    }

    /// Whether something that somebody has changed was told, and isn't put right yet.
    pub fn has_drift(&self) -> bool {
        self.drift.is_some()
    }

    /// Takes in what somebody has changed, in words, and returns whether it is another thing than before.
    pub fn take_in_drift(&mut self, words: String) -> bool {
        let words = Some(words);
        std::mem::replace(&mut self.drift, words.clone()) != words
    }
}

/// What is told of a success, where the status was this `before`.
pub fn of_success(before: &TableStatus, applied: &Applied) -> Vec<TableEvent> {
    let table = &applied.table;
    let adopted = applied.adoption.map(|adoption| match adoption {
        Adoption::LineLost => TableEvent::warning("OwnerRestored", format!("Table {table} got {adoption}")),
        _ => TableEvent::normal("Adopted", format!("Table {table} belongs to this object now: {adoption}")),
    });
    let done = match &applied.outcome {
        Outcome::Created => {
            Some(("Created", format!("Table {table} was created, with {}", applied.extent())))
        }
        Outcome::ColumnsAdded(columns) => {
            Some(("ColumnsAdded", format!("Added to table {table}: {}", columns.join(", "))))
        }
        Outcome::Changed(changes) => {
            Some(("Changed", format!("Changed of table {table}: {}", changes.join("; "))))
        }
        Outcome::Unchanged => None,
    };
    let done = match &applied.drift {
        Some(difference) if applied.adoption.is_none() => {
            Some(TableEvent::warning("DriftDetected", difference.told(table, true)))
        }
        _ => done.map(|(reason, message)| TableEvent::normal(reason, message)),
    };
    let events: Vec<_> = adopted.into_iter().chain(done).collect();
    if events.is_empty() && told(before, false).is_some() {
        return vec![TableEvent::normal(
            "Applied",
            format!("Table {table} is as the spec asks, with {}", applied.extent()),
        )];
    }
    events
}

/// What is told of something that somebody has changed, where putting it right takes long, or fails.
pub fn of_repair(repair: &Repair<'_>) -> TableEvent {
    TableEvent::warning("DriftDetected", repair.difference.told(repair.table, false))
}

/// What is told of a failure that has changed the status from `before` to `after`.
pub fn of_failure(before: &TableStatus, after: &TableStatus, deleting: bool) -> Option<TableEvent> {
    let now = told(after, deleting)?;
    // A deletion is a generation of its own.
    let deleted_before = deleting && before.observed_generation == after.observed_generation;
    let repeats = told(before, deleted_before).is_some_and(|before| {
        let is_same_change = before.observed_generation == now.observed_generation;
        before.reason == now.reason && (is_same_change || before.message == now.message)
    });
    if repeats {
        return None;
    }
    let message = now.message.clone();
    Some(match now.reason.as_str() {
        reason if is(reason, ConditionReason::InProgress) => TableEvent::normal(reason, message),
        reason if is(reason, ConditionReason::Conflict) => TableEvent::warning("OwnershipConflict", message),
        reason if is(reason, ConditionReason::Drifted) => TableEvent::warning("DriftDetected", message),
        reason => TableEvent::warning(reason, message),
    })
}

/// What is told of the end of a deletion.
pub fn of_drop(dropped: &Dropped) -> TableEvent {
    match dropped {
        Dropped::Table(table) => TableEvent::normal("Dropped", format!("Table {table} was dropped")),
        Dropped::NoTable => {
            TableEvent::normal("DropSkipped", "Nothing was dropped: the object has no table".to_owned())
        }
        Dropped::Gone(table) => {
            TableEvent::normal("DropSkipped", format!("Table {table} is gone: nothing was left to drop"))
        }
        Dropped::NotAsked(why) => TableEvent::normal(
            "DropSkipped",
            format!(
                "Nothing was dropped: no table of the object is known, and there is no way to its database: {why}"
            ),
        ),
        Dropped::LineLost { table, is_first_hand: false } => TableEvent::warning(
            "DropSkipped",
            format!(
                "Table {table} stays in the database: the status names it, but neither its comment nor the status says that it is \
                 this very object's"
            ),
        ),
        Dropped::LineLost { table, is_first_hand: true } => TableEvent::warning(
            "DropSkipped",
            format!(
                "Table {table} stays in the database, with its rows: the status names it, but its comment has no line that says \
                 whose it is, because somebody has removed or replaced that line. If nobody needs the table: DROP TABLE {table}. To \
                 take it up again, create the object again with adoptionPolicy: IfCompatible"
            ),
        ),
        Dropped::Anothers { table, owner, foreign } => TableEvent::normal(
            "DropSkipped",
            format!(
                "Table {table} stays in the database: by its comment, it belongs to the DatabaseTable {owner}{} now",
                if *foreign { " in another cluster" } else { "" }
            ),
        ),
        Dropped::Left(table) => {
            TableEvent::warning("DropSkipped", format!("Table {table} stays in the database: {LEFT}"))
        }
        Dropped::Kept(table) => TableEvent::warning(
            "DropSkipped",
            format!(
                "Table {table} stays in the database: the object no longer exists, and another object may own the table by now"
            ),
        ),
    }
}

/// What is told of the end of a deletion that leaves the table, if there is a table.
pub fn of_retention(table: Option<&str>) -> TableEvent {
    match table {
        Some(table) => TableEvent::normal(
            "Retained",
            format!("Table {table} stays in the database: deletionPolicy is Retain"),
        ),
        None => TableEvent::normal(
            "DropSkipped",
            "Nothing was dropped: deletionPolicy is Retain, and no table of the object is known".to_owned(),
        ),
    }
}

/// The condition with the trouble that was told, if it isn't over; `deleting`: the status is about a deletion.
fn told(status: &TableStatus, deleting: bool) -> Option<&Condition> {
    let find = |type_| status.conditions.iter().find(|condition| condition.type_ == type_);
    let synced = find("Synced").filter(|synced| synced.status == "False")?;
    let is_outage = [ConditionReason::DatabaseUnavailable, ConditionReason::ClusterUnavailable]
        .into_iter()
        .any(|reason| is(&synced.reason, reason));
    if is_outage && !deleting && find("Stalled").is_none() {
        // It is as it was, unless a change waits.
        find("Ready").filter(|ready| ready.status != "True")
    } else {
        Some(synced)
    }
}

fn is(text: &str, reason: ConditionReason) -> bool {
    text == reason.to_string()
}

impl TableEvent {
    fn normal(reason: impl Into<String>, message: String) -> Self {
        Self { severity: Severity::Normal, reason: reason.into(), message }
    }

    fn warning(reason: impl Into<String>, message: String) -> Self {
        Self { severity: Severity::Warning, reason: reason.into(), message }
    }

    /// Posts it.
    pub fn post(self, events: &EventRecorder) {
        match self.severity {
            Severity::Normal => events.info(self.reason, self.message),
            Severity::Warning => events.warn(self.reason, self.message),
        }
    }
}

#[cfg(test)]
mod tests;
