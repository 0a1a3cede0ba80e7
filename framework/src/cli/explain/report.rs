//! Report: all that is told of an object, in the shape of `--output=json`.

use serde::Serialize;
use serde_json::Value;

/// What the operator thinks of one object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub object: Identity,
    pub replica: Replica,
    pub state: State,
    /// The same for people.
    pub state_text: String,
    /// The reason that change handlers are or would be called for.
    pub reason: &'static str,
    pub next: Next,
    pub changes: Changes,
    pub handlers: Vec<HandlerReport>,
    /// When the deletion was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_requested: Option<String>,
    pub finalizers: Vec<FinalizerReport>,
    pub notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The replica that has the object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replica {
    pub state: ReplicaState,
    pub lease: LeaseName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed: Option<String>,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct LeaseName {
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReplicaState {
    /// The Lease is held, and was renewed in time.
    Held,
    /// It has a holder that hasn't renewed it in time.
    Expired,
    /// It has no holder.
    Free,
    /// There is none.
    Absent,
    /// It can't be read, or isn't the operator's.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// No change handler is for it.
    Untouched,
    /// It was never handled completely.
    New,
    /// Nothing has changed since it was handled.
    Handled,
    /// It has changed since it was handled.
    Changed,
    /// Its deletion was asked for.
    Deleting,
    /// Handlers have failed, and wait for a change or for the operator's next start.
    Failed,
    /// A filter can't be evaluated.
    Unknown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Next {
    pub step: Step,
    /// How the finalizer is changed before: `add`, `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalizer: Option<&'static str>,
    /// The ids of the handlers that are called.
    pub handlers: Vec<String>,
    /// Until when nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Step {
    Call,
    Wait,
    Nothing,
}

/// What has changed since the object was handled last.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changes {
    /// It was handled, and the state is known that was handled last.
    pub known: bool,
    /// The values aren't told, since it is a Secret.
    pub hidden: bool,
    pub items: Vec<Change>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    pub op: &'static str,
    pub field: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// For people, with long values cut.
    #[serde(skip)]
    pub text: String,
}

/// A handler, and where it stands with the object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandlerReport {
    pub on: &'static str,
    pub id: String,
    pub standing: HandlerState,
    pub text: String,
    /// The number of the attempt that is due, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The most attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sub_handlers: Vec<HandlerReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum HandlerState {
    /// It isn't for this object.
    Unselected,
    /// It is for this object, on other occasions.
    Uncalled,
    /// It is called in the next turn.
    Due,
    /// It is called in a later turn.
    Later,
    /// It waits for its next attempt.
    Waiting,
    /// It has succeeded.
    Succeeded,
    /// It has failed permanently.
    Failed,
    /// It can't read the object.
    Rejected,
    /// It is called over time: a timer, a daemon, an event handler.
    Active,
    /// Its filter can't be evaluated.
    Unknown,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FinalizerReport {
    pub name: String,
    /// It is this operator's.
    pub own: bool,
    /// The ids of the handlers and the daemons that need it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed_by: Vec<String>,
    pub text: String,
}
