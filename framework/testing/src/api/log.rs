//! What was asked of the server.

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The name of the client that sent it.
    pub who: String,
    /// The method.
    pub method: Method,
    /// The path: `/apis/kopf.demo/v1/namespaces/default/databasetables/users/status`.
    pub path: String,
    /// The parameters of the query, decoded.
    pub query: BTreeMap<String, String>,
    /// The `Content-Type`, without its parameters; empty where there is none.
    pub content: String,
    /// The body; null where there is none, or where it isn't JSON.
    pub body: Value,
}

impl Request {
    /// A request with a JSON body (null for none), for [`ApiServer::ask`](super::ApiServer::ask). A PATCH is a merge
    /// patch.
    pub fn new(who: &str, method: Method, path: &str, body: Value) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let content = if method == Method::PATCH { MERGE } else { "application/json" };
        Self {
            who: who.to_owned(),
            method,
            path: path.to_owned(),
            query: super::path::parameters(query),
            content: content.to_owned(),
            body,
        }
    }

    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether it opens a watch.
    pub fn is_watch(&self) -> bool {
        self.query.get("watch").is_some_and(|watch| watch == "true" || watch == "1")
    }
}

/// `PATCH /api/v1/namespaces/default/configmaps/a {"data":null}`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if self.body.is_null() { Ok(()) } else { write!(f, " {}", self.body) }
    }
}

pub(super) const MERGE: &str = "application/merge-patch+json";

/// A request, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// When it came.
    pub at: Timestamp,
    /// The request.
    pub request: Request,
    /// The status code of what the server had to say; none where the request has not reached it.
    pub code: Option<u16>,
    /// Whether the client got that answer.
    pub answered: bool,
    /// What it has changed.
    pub effect: Option<Effect>,
}

/// What a request has changed: one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The number of the change, which is the new version of the object.
    pub revision: u64,
    /// The object before; none where the request has created it.
    pub before: Option<Arc<Value>>,
    /// The object after; none where it is gone.
    pub after: Option<Arc<Value>>,
}
