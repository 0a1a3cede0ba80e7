//! The status of a `DatabaseTable`; pure.
//!
//! `Ready` tells whether the database has the table that the spec asks for, `Synced` whether the last attempt
//! succeeded. While the database is unreachable, nothing is known of the table: `Ready` stays as it is for a generation that
//! was applied before, and is `Unknown` for a newer one.
//!
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>

use crate::outcome::{Applied, ColumnStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The generation in the status of an object that nobody has seen yet. The API server puts it there, so that tools which
/// follow kstatus wait for the operator: without a status, an object counts as ready.
const UNSEEN: i64 = -1;

/// The most statements that a status has.
const MOST_PENDING: usize = 100;

/// The most bytes that they have, but for the first one.
const MOST_BYTES: usize = 64 << 10;

/// The status of a condition of which nothing is known, whatever the reason is now.
const UNKNOWN: &str = "Unknown";

/// State of an object's table, as the operator reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = without_defaults, extend("default" = {"observedGeneration": UNSEEN}))]
pub struct TableStatus {
    /// The generation of the object that the operator has seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation of the object whose spec was applied last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_generation: Option<i64>,
    /// The table with its schema, as PostgreSQL prints it, such as public.website_users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// A number for the database that has the table, by its address and its name.
    // Null, not absent, as for `pending`.
    pub database: Option<String>,
    /// A number for the object that the table belongs to, by its cluster, its name and its uid. A copy of the object has another one.
    // Null, not absent, as for `pending`: it goes when the table is another object's.
    pub owner: Option<String>,
    /// The columns of the table, in the order of the spec.
    pub columns: Vec<ColumnStatus>,
    /// How many columns the table has by the spec; somebody else may have given it more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_count: Option<i64>,
    /// The columns of the primary key; empty without one.
    pub primary_key: Vec<String>,
    /// The names of its indexes, beside that of the primary key; empty without one.
    pub indexes: Vec<String>,
    /// The generation of the object whose changes took too long, and aren't tried again.
    // Null, not absent, as for `pending`.
    pub too_slow_generation: Option<i64>,
    /// The statements that would do what is held back, because it may lose something or rows stand in its way.
    // Without any it is null, not absent: a status is merged into the one of before, where nothing else removes a field.
    pub pending: Option<Vec<String>>,
    /// Ready: the table is as the spec asks. Synced: the last attempt to make it so succeeded.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The reason of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConditionReason {
    /// The table matches the spec.
    Applied,
    /// The spec removes or changes a column or renames the table. Nothing was changed.
    UpdateAborted,
    /// The spec was applied, and somebody has changed the table since.
    Drifted,
    /// The table isn't this object's, or several may be.
    Conflict,
    /// The spec describes no table.
    InvalidSpec,
    /// The database is unreachable or busy.
    DatabaseUnavailable,
    /// The database has no schema for the table.
    SchemaMissing,
    /// The database rejects the operator's user, or the API server its service account.
    PermissionDenied,
    /// The operator can't read from the API server what it has to know first.
    ClusterUnavailable,
    /// The Secret by which the database is reached doesn't exist, or lacks a key.
    SecretMissing,
    /// The Secret by which the database is reached leads to none.
    SecretInvalid,
    /// The table is in another database than the one that the spec leads to.
    DatabaseChanged,
    /// The database has no such type.
    TypeMissing,
    /// Something is being done to the table that takes long.
    InProgress,
    /// The table can't be dropped because something depends on it.
    DependentsExist,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Its reason.
    pub reason: ConditionReason,
    /// What happened, to what, and what to do.
    pub message: &'a str,
    /// Whether nothing helps but what a person does.
    pub needs_person: bool,
    /// Whether the object is being deleted.
    pub deleting: bool,
    /// The statements that would do what is held back.
    pub pending: &'a [String],
    /// Whether they took too long.
    pub is_too_slow: bool,
}

/// The time of a status, and the generation of the object that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `metadata.generation`; `None` if the CRD has no status subresource, because a write of the status
    /// changes the generation then.
    pub generation: Option<i64>,
    /// The start of the attempt.
    pub now: Timestamp,
}

impl TableStatus {
    /// The next status after a success.
    ///
    /// Its message has the `warnings` about the spec, too.
    pub fn after_success(&self, stamp: Stamp, applied: &Applied, warnings: &[String]) -> Self {
        let message = applied.message(warnings);
        let condition = |type_| self.condition(type_, "True", ConditionReason::Applied, &message, stamp);
        Self {
            observed_generation: stamp.generation,
            applied_generation: stamp.generation,
            table: Some(applied.table.clone()),
            database: None,
            owner: None,
            columns: applied.columns.clone(),
            column_count: i64::try_from(applied.columns.len()).ok(),
            primary_key: applied.primary_key.clone(),
            indexes: applied.indexes.clone(),
            too_slow_generation: None,
            pending: None,
            conditions: vec![condition("Ready"), condition("Synced")],
        }
    }

    /// The next status after a failure: the table stays as it was.
    ///
    /// Ready is never true beside a change that wasn't made: tools that follow kstatus (Flux, Helm) would go on. Where a person
    /// is needed, `Stalled` tells them at once that there is nothing to wait for.
    pub fn after_failure(&self, stamp: Stamp, failure: &Failure<'_>) -> Self {
        let condition = |type_, status| self.condition(type_, status, failure.reason, failure.message, stamp);
        let ready = match (failure.reason.is_about_the_table(), self.find("Ready")) {
            (true, _) => condition("Ready", "False"),
            // Nothing was changed, or this generation was applied before: only a look at it has failed. What was in progress isn't
            // any more.
            (false, Some(ready))
                if ready.status != UNKNOWN
                    && ready.reason != ConditionReason::InProgress.to_string()
                    && (failure.deleting || is_of(ready, stamp.generation)) =>
            {
                ready.clone()
            }
            (false, _) => condition("Ready", UNKNOWN),
        };
        let stalled = failure.needs_person.then(|| condition("Stalled", "True"));
        let conditions = [ready, condition("Synced", "False")].into_iter().chain(stalled).collect();
        let pending = match failure.reason.is_about_the_table() {
            true => pending(failure.pending),
            // Nothing is known of it.
            false => self.pending.clone(),
        };
        // It is about the statements in `pending`.
        let was_too_slow = self.too_slow_generation.is_some()
            && self.too_slow_generation == stamp.generation
            && !failure.reason.is_about_the_table();
        let too_slow_generation = stamp.generation.filter(|_| failure.is_too_slow || was_too_slow);
        Self {
            observed_generation: stamp.generation,
            too_slow_generation,
            conditions,
            pending,
            ..self.clone()
        }
    }

    /// Whether this operator has come to an end with the object before, good or bad, so that the spec that was handled last
    /// is one that it has handled.
    pub fn tells_of_an_end(&self) -> bool {
        let ends =
            [ConditionReason::InvalidSpec, ConditionReason::UpdateAborted].map(|reason| reason.to_string());
        self.table.is_some() || self.find("Synced").is_some_and(|synced| ends.contains(&synced.reason))
    }

    /// Whether the spec of this generation was applied, so that the table may have drifted since; whatever has come between. `None`
    /// where generations don't tell.
    pub fn has_applied(&self, generation: Option<i64>) -> Option<bool> {
        Some(self.applied_generation? == generation?)
    }

    /// Whether the spec was applied, and nothing but what others did to the table has come between: it may have drifted.
    pub fn was_applied(&self) -> bool {
        let Some(ready) = self.find("Ready") else { return self.conditions.is_empty() };
        [ConditionReason::Applied, ConditionReason::Drifted]
            .iter()
            .any(|reason| ready.reason == reason.to_string())
    }

    /// The statements of this generation that took too long.
    pub fn too_slow(&self, generation: Option<i64>) -> Option<Vec<String>> {
        let is_known = self.too_slow_generation.is_some() && self.too_slow_generation == generation;
        self.pending.clone().filter(|_| is_known)
    }

    /// Whether the table was missing with most others of its database, and wasn't made again.
    pub fn was_held(&self) -> bool {
        self.conditions.iter().any(|condition| condition.message.contains(crate::plan::HELD))
    }

    /// Whether the last attempt at this generation was aborted: rows may have been in the way.
    pub fn was_aborted(&self, generation: Option<i64>) -> bool {
        let reasons =
            [ConditionReason::UpdateAborted, ConditionReason::Drifted].map(|reason| reason.to_string());
        self.find("Synced").is_some_and(|synced| {
            reasons.contains(&synced.reason) && synced.observed_generation == generation
        })
    }

    /// Whether the table is known to have drifted.
    pub fn has_drifted(&self) -> bool {
        self.find("Ready").is_some_and(|ready| ready.reason == ConditionReason::Drifted.to_string())
    }

    /// Whether it tells already that the table of this generation of the object has changed in this way: by the message, or because
    /// something is being done to a table that was as its spec asks.
    pub fn tells_of_drift(&self, words: &str, generation: Option<i64>) -> bool {
        let Some(synced) = self.find("Synced").filter(|synced| synced.status == "False") else {
            return false;
        };
        let is = |reason: ConditionReason| synced.reason == reason.to_string();
        (is(ConditionReason::InProgress) && self.has_applied(generation) == Some(true))
            || (is(ConditionReason::Drifted) && synced.message.contains(words))
    }

    fn find(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    fn condition(
        &self,
        type_: &str,
        status: &str,
        reason: ConditionReason,
        message: &str,
        stamp: Stamp,
    ) -> Condition {
        let unchanged = self.find(type_).filter(|before| before.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_string(),
            message: message.to_owned(),
            observed_generation: stamp.generation,
            last_transition_time: unchanged
                .map_or(Time(stamp.now), |before| before.last_transition_time.clone()),
        }
    }
}

/// The statements that a status has: an object has to fit into etcd.
pub(crate) fn pending(statements: &[String]) -> Option<Vec<String>> {
    let mut bytes = 0;
    let fits = |(number, statement): &(usize, &String)| {
        bytes += statement.len();
        *number == 0 || bytes <= MOST_BYTES
    };
    let shown = statements.iter().take(MOST_PENDING).enumerate().take_while(fits);
    let mut shown: Vec<_> = shown.map(|(_, statement)| statement.clone()).collect();
    if statements.len() > shown.len() {
        shown.push(format!("-- and {} more", statements.len() - shown.len()));
    }
    (!shown.is_empty()).then_some(shown)
}

/// Whether a condition is about this generation.
fn is_of(condition: &Condition, generation: Option<i64>) -> bool {
    generation.is_some() && condition.observed_generation == generation
}

impl ConditionReason {
    /// Whether what is missing may come without a change of the object, and without a person.
    pub fn may_come(self) -> bool {
        matches!(self, Self::SchemaMissing | Self::TypeMissing | Self::SecretMissing)
    }

    /// Whether the table can't match the spec. Otherwise nobody knows.
    fn is_about_the_table(self) -> bool {
        !matches!(
            self,
            Self::DatabaseUnavailable
                | Self::PermissionDenied
                | Self::ClusterUnavailable
                | Self::SecretMissing
                | Self::SecretInvalid
                | Self::DependentsExist
        )
    }
}

/// The name of the variant.
impl fmt::Display for ConditionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The API server must not fill in what a status lacks.
fn without_defaults(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        property.remove("default");
    }
}

#[cfg(test)]
mod tests;
