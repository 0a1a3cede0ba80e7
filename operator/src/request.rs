//! Reads a `DatabaseTable` into what its handlers need; the argument that all of them take.

use crate::{
    connections::Link,
    crd::DatabaseTable,
    drift::Hold,
    error::TableError,
    events::{self, LastTold, TableEvent},
    handlers::Context,
    marker::Owner,
    note,
    outcome::Applied,
    plan::{Claim, Difference, PlanError},
    secrets::SecretId,
    siblings::{self, DatabaseNumber, Tables},
    spec::{Declaration, DeletionPolicy, SpecError, Table},
    status::{Stamp, TableStatus},
};
use korf::{
    Attempt, FromCall, Memo, Name, ObjectNamespace, ObjectPatch, Reason, State, Status, Trigger,
    extract::{
        Annotations, Elapsed, Generation, ObjectAs, OldObjectAs, Rejection, Requirements, ResourceVersion,
        Started, StatusValue, Uid,
    },
    handler::ChangeCall,
    scope::ChangeHandlerScope,
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// A `DatabaseTable` as its handlers see it.
#[derive(Clone, Debug)]
pub struct TableRequest {
    namespace: String,
    /// The object's name.
    pub name: String,
    uid: String,
    /// The object's version as the handlers see it.
    pub version: String,
    /// Whether it is the handler's first attempt.
    pub is_first: bool,
    declared: Arc<Declared>,
    status: TableStatus,
    /// Whether the status is of another shape, and counts as none.
    has_strange_status: bool,
    /// Whether what was handled last was handled by this operator.
    is_marked: bool,
    reason: Reason,
    /// Whether a table that another operator has made is left alone.
    leaves_former: bool,
    /// What was handled last, by this operator or by the one before it.
    previous: Option<Arc<Declared>>,
    stamp: Stamp,
    /// The time since the handler's first attempt.
    pub lasts: Duration,
    trigger: Trigger<DatabaseTable>,
    told: Memo<LastTold>,
    tables: Tables,
    hold: Memo<Hold>,
}

/// The part of an object that its author writes.
///
/// The type [`DatabaseTable`] is stricter: the Kopf demo's CRD has no schema, and a spec of the wrong shape must become a
/// reason in the status rather than a handler that is never called.
#[derive(Debug, Deserialize)]
pub(crate) struct Declared {
    #[serde(default)]
    pub(crate) spec: Declaration,
}

impl<S: ChangeHandlerScope<Kind = DatabaseTable>> FromCall<S> for TableRequest {
    fn from_call(call: &ChangeCall) -> Result<Self, Rejection> {
        let status: Result<Status<TableStatus>, _> = FromCall::<S>::from_call(call)?;
        let any_status: StatusValue = FromCall::<S>::from_call(call)?;
        let annotations: Annotations = FromCall::<S>::from_call(call)?;
        let previous: Result<OldObjectAs<Declared>, _> = FromCall::<S>::from_call(call)?;
        let declared: ObjectAs<Declared> = FromCall::<S>::from_call(call)?;
        let (name, namespace): (Name, ObjectNamespace) =
            (FromCall::<S>::from_call(call)?, FromCall::<S>::from_call(call)?);
        let (uid, version): (Uid, ResourceVersion) =
            (FromCall::<S>::from_call(call)?, FromCall::<S>::from_call(call)?);
        let context: State<Context> = FromCall::<S>::from_call(call)?;
        let (generation, attempt): (Generation, Attempt) =
            (FromCall::<S>::from_call(call)?, FromCall::<S>::from_call(call)?);
        let (first, since): (Started, Elapsed) =
            (FromCall::<S>::from_call(call)?, FromCall::<S>::from_call(call)?);
        Ok(Self {
            namespace: namespace.to_string(),
            name: name.0,
            uid: uid.0,
            version: version.0,
            is_first: attempt.0 == 0,
            declared: declared.0,
            has_strange_status: status.is_err() && !any_status.is_null(),
            is_marked: note::is_marked(&annotations),
            reason: FromCall::<S>::from_call(call)?,
            leaves_former: context.leaves_kopf_tables,
            status: status.map(|status| status.0).unwrap_or_default(),
            previous: previous.ok().map(|old| old.0),
            stamp: Stamp { generation: generation.0, now: first.0 + since.0 },
            lasts: since.0,
            trigger: FromCall::<S>::from_call(call)?,
            told: FromCall::<S>::from_call(call)?,
            tables: FromCall::<S>::from_call(call)?,
            hold: FromCall::<S>::from_call(call)?,
        })
    }

    fn requirements(requirements: &mut Requirements) {
        <Trigger<DatabaseTable> as FromCall<S>>::requirements(requirements);
        <State<Context> as FromCall<S>>::requirements(requirements);
        <Tables as FromCall<S>>::requirements(requirements);
    }
}

impl TableRequest {
    /// The table that the spec describes.
    ///
    /// # Errors
    ///
    /// [`SpecError`], the first mistake in the spec.
    pub fn table(&self) -> Result<&Table, &SpecError> {
        self.declared.spec.table.as_ref()
    }

    /// What becomes of the table when the object is deleted.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the policy is none that there is. Other mistakes in the spec don't matter.
    pub fn deletion(&self) -> Result<DeletionPolicy, &SpecError> {
        self.declared.spec.deletion.as_ref().copied()
    }

    /// The table that the status names, as PostgreSQL prints it.
    pub fn recorded_table(&self) -> Option<&str> {
        self.status.table.as_deref()
    }

    /// The other tables that statuses say are in the same database as this object's; of many, some.
    pub fn tables_beside(&self) -> Vec<String> {
        siblings::some_of(&self.tables, &DatabaseNumber(self.status.database.clone()), self.recorded_table())
    }

    /// The Secret by which the database is reached; `None`: it is the operator's own.
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the spec has something else in its place.
    pub fn secret(&self) -> Result<Option<SecretId>, &SpecError> {
        let reference = self.declared.spec.secret.as_ref()?;
        Ok(reference.as_ref().map(|reference| SecretId::new(reference, &self.namespace)))
    }

    /// Whether the object is known to have a table.
    pub fn has_table(&self) -> bool {
        self.status.table.is_some() || self.former().is_some()
    }

    /// What is valid in the spec but probably not meant.
    pub fn warnings(&self) -> &[String] {
        &self.declared.spec.warnings
    }

    /// The object's claim to a table, in this cluster and this database.
    ///
    /// Its columns are those of the status and those of the last spec: the status may be lost, and the last
    /// spec may have been rejected.
    pub fn claim(&self, cluster: &str, link: &Link) -> Claim {
        let recorded = self.status.columns.iter().map(|column| column.name.clone());
        let previous = self.previous.as_ref().map(|previous| &previous.spec);
        let handled = previous.iter().flat_map(|spec| &spec.columns).cloned();
        // The other operator has one database, which is this one's own.
        let former = self.former();
        let (former, made_elsewhere) =
            if link.is_another_than(None) { (None, former) } else { (former.cloned(), None) };
        let owner = Owner {
            cluster: cluster.to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        };
        let policies = self.table().map(|table| table.policies).unwrap_or_default();
        Claim {
            is_first_hand: self.status.owner == Some(owner.fingerprint()),
            owner,
            table: self.status.table.clone().or_else(|| made_elsewhere.map(|table| table.name.to_string())),
            columns: recorded.chain(handled).collect(),
            former,
            adoption: policies.adoption,
            drift: policies.drift,
            was_applied: false,
            too_slow: self.status.too_slow(self.stamp.generation),
            was_held: self.status.was_held(),
            asks_first: self.status.was_aborted(self.stamp.generation),
            is_elsewhere: link.is_another_than(self.status.database.as_deref()),
        }
    }

    /// The table that another operator has made for the object, if this one takes it over, and hasn't come to an end with the
    /// object yet.
    pub fn former(&self) -> Option<&Table> {
        self.noted().filter(|_| !self.leaves_former)
    }

    fn noted(&self) -> Option<&Table> {
        let note = self.previous.as_ref().map(|previous| &previous.spec);
        note::former(note, self.is_marked, (!self.has_strange_status).then_some(&self.status))
    }

    /// Marks the object as one whose note is this operator's, if there is to be one: with the first attempt where there is none of another
    /// operator, or else at the `end`. A look at an unchanged object leaves the note as it is.
    pub fn mark(&self, end: bool, patch: &ObjectPatch) {
        let is_noted = matches!(self.reason, Reason::Create | Reason::Update);
        if is_noted && !self.is_marked && (end || self.noted().is_none()) {
            patch.annotation(note::MARK, Some(note::MARKED));
        }
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether the spec was applied before, as it is: then somebody else has changed what differs of the table since. An object may
    /// have changed in something else, such as a label; or it has lost its annotations to `kubectl replace`, and its status says
    /// first-hand, of this object, what was applied.
    pub fn was_applied(&self, is_first_hand: bool) -> bool {
        let known = self.status.has_applied(self.stamp.generation);
        if self.reason == Reason::Create {
            return is_first_hand && known == Some(true);
        }
        known.unwrap_or_else(|| {
            let is_same = || self.previous.as_ref().is_some_and(|before| before.spec == self.declared.spec);
            self.status.was_applied() && (self.reason != Reason::Update || is_same())
        })
    }

    /// Whether it was told that the table has drifted.
    pub fn has_drifted(&self) -> bool {
        self.status.has_drifted() || self.told.lock().has_drift()
    }

    /// Takes in what somebody has changed of the table, and returns whether it is to be told: neither this process has, in an attempt
    /// of before, nor another one.
    pub fn is_news(&self, difference: &Difference) -> bool {
        let words = difference.in_words();
        let mut told = self.told.lock();
        let is_known = !told.has_drift() && self.status.tells_of_drift(&words, self.stamp.generation);
        told.take_in_drift(words) && !is_known
    }

    /// What shows that the object is this process's.
    pub fn hold(&self) -> Hold {
        self.hold.get()
    }

    /// Gives objects a turn.
    pub fn trigger(&self) -> Trigger<DatabaseTable> {
        self.trigger.clone()
    }

    /// Gives the object a turn once something is over for which it waits.
    pub fn wake(&self) -> impl FnOnce() + Send + 'static {
        let (trigger, namespace, name) = (self.trigger.clone(), self.namespace.clone(), self.name.clone());
        move || trigger.trigger((&*namespace, &*name))
    }

    /// The status once the table in this database matches the spec of this owner.
    pub fn status_after_success(&self, applied: &Applied, database: String, owner: &Owner) -> TableStatus {
        let owner = Some(owner.fingerprint());
        let database = Some(database);
        TableStatus { database, owner, ..self.status.after_success(self.stamp, applied, self.warnings()) }
    }

    /// What is to be told of a success.
    pub fn events_of_success(&self, applied: &Applied) -> Vec<TableEvent> {
        self.told.lock().end();
        events::of_success(&self.status, applied)
    }

    /// What is to be told of a failed attempt that leads to this status.
    pub fn event_of_failure(&self, after: &TableStatus, deleting: bool) -> Option<TableEvent> {
        let event = events::of_failure(&self.status, after, deleting)?;
        self.told.lock().take_in(event, self.stamp.generation)
    }

    /// The status after a failed attempt.
    pub fn status_after_failure(&self, error: &TableError, deleting: bool) -> TableStatus {
        let message = error.message(deleting);
        let failure = error.as_failure(&message, deleting, self.lasts);
        let status = self.status.after_failure(self.stamp, &failure);
        // Should that line be lost, the table isn't this object's any more.
        let is_lost = matches!(error, TableError::Plan(PlanError::OwnedByAnother { .. }));
        TableStatus { owner: status.owner.clone().filter(|_| !is_lost), ..status }
    }
}
