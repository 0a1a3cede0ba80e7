//! Reads a `DatabaseTable` into what its handlers need; the argument that all of them take.

use crate::{
    crd::DatabaseTable,
    error::TableError,
    marker::Owner,
    outcome::Applied,
    plan::Claim,
    spec::{self, SpecError, Table},
    status::{Stamp, TableStatus},
};
use korf::{Call, Error, FromCall, Scope};
use std::collections::BTreeSet;

/// A `DatabaseTable` as its handlers see it.
///
/// It is read from the raw object: the Kopf demo's CRD has no schema, and a spec of the wrong shape must
/// become a reason in the status rather than a handler that is never called.
#[derive(Clone, Debug)]
pub struct TableRequest {
    namespace: String,
    /// The object's name.
    pub name: String,
    uid: String,
    /// The table that the spec describes, or the first mistake in the spec.
    pub table: Result<Table, SpecError>,
    /// What is valid in the spec but probably not meant.
    pub warnings: Vec<String>,
    status: TableStatus,
    /// The columns in the spec that was handled last.
    previous_columns: BTreeSet<String>,
    stamp: Stamp,
}

impl<S: Scope<Kind = DatabaseTable>> FromCall<S> for TableRequest {
    fn from_call(call: &Call) -> Result<Self, Error> {
        let object = call.body.value();
        // Without the subresource, a write of the status changes the generation, so that it never converges.
        let generation = object["metadata"]["generation"].as_i64().filter(|_| call.status_subresource);
        Ok(Self {
            namespace: call.body.namespace().unwrap_or_default().to_owned(),
            name: call.body.name().to_owned(),
            uid: call.body.uid().to_owned(),
            table: Table::from_spec(object.get("spec")),
            warnings: spec::warnings(&object["spec"]),
            status: TableStatus::read(object.get("status")),
            previous_columns: call.old.iter().flat_map(|old| spec::column_names(&old["spec"])).collect(),
            stamp: Stamp { generation, now: call.now },
        })
    }
}

impl TableRequest {
    /// The object's claim to a table, in this cluster.
    ///
    /// Its columns are those of the status and those of the last spec: the status may be lost, and the last
    /// spec may have been rejected.
    pub fn claim(&self, cluster: &str) -> Claim {
        let recorded = self.status.columns.iter().map(|column| column.name.clone());
        Claim {
            owner: Owner {
                cluster: cluster.to_owned(),
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                uid: self.uid.clone(),
            },
            table: self.status.table.clone(),
            columns: recorded.chain(self.previous_columns.iter().cloned()).collect(),
        }
    }

    /// The status once the table matches the spec.
    pub fn status_after_success(&self, applied: &Applied) -> TableStatus {
        self.status.after_success(self.stamp, applied)
    }

    /// The status after a failed attempt.
    pub fn status_after_failure(&self, error: &TableError) -> TableStatus {
        self.status.after_failure(self.stamp, error.reason(), &error.to_string())
    }
}
