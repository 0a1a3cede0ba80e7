//! Log of requests.

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The name of the client that sent it.
    pub client: String,
    /// The method.
    pub method: Method,
    /// The path: `/apis/kopf.demo/v1/namespaces/default/databasetables/users/status`.
    pub path: String,
    /// The parameters of the query, decoded.
    pub query: BTreeMap<String, String>,
    /// The `Content-Type`, without its parameters; empty if there is none.
    pub content: String,
    /// The body; null if there is none, or if it isn't JSON.
    pub body: Value,
}

impl Request {
    /// A request with a JSON body (null for none), for [`ApiServer::ask`](super::ApiServer::ask). A PATCH is a merge
    /// patch.
    pub fn new(client: &str, method: Method, path: &str, body: Value) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let content = if method == Method::PATCH { MERGE } else { "application/json" };
        Self {
            client: client.to_owned(),
            method,
            path: path.to_owned(),
            query: super::target::parameters(query),
            content: content.to_owned(),
            body,
        }
    }

    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether an apply takes fields over from other managers.
    pub(super) fn forces(&self) -> bool {
        self.query.get("force").is_some_and(|force| force == "true" || force == "1")
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

pub(super) const APPLY: &str = "application/apply-patch+yaml";
pub(super) const JSON: &str = "application/json-patch+json";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A request and its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The time of the request.
    pub at: Timestamp,
    /// The request.
    pub request: Request,
    /// The status code of the server's answer; none if the request has not reached it.
    pub code: Option<u16>,
    /// Whether the client got that answer.
    pub answered: bool,
    /// The change that it made.
    pub effect: Option<Effect>,
}

/// The change of one object by a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The number of the change, which is the new version of the object.
    pub revision: u64,
    /// The object before; none if the request created it.
    pub before: Option<Arc<Value>>,
    /// The object after; none if it is gone.
    pub after: Option<Arc<Value>>,
}
