//! Answers and rejections, in the words of the real server.

use super::{managers::FieldConflict, served::ServedKind};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The answer to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// A JSON document, with its status code.
    Document(u16, Arc<Value>),
    /// Plain text, as the real server answers on unknown paths.
    Text(u16, String),
    /// A stream of events.
    Watch(Box<super::watch::OpenWatch>),
}

impl Answer {
    pub fn code(&self) -> u16 {
        match self {
            Self::Document(code, _) | Self::Text(code, _) => *code,
            Self::Watch(_) => 200,
        }
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        match rejection.code {
            404 if rejection.reason.is_empty() => Self::Text(404, format!("{}\n", rejection.message)),
            code => Self::Document(code, Arc::new(rejection.status())),
        }
    }
}

/// The rejection of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rejection {
    pub code: u16,
    reason: &'static str,
    message: String,
    details: Map<String, Value>,
}

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Rejection {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Map::new() }
    }

    fn about(mut self, kind: &str, served: &ServedKind, name: &str) -> Self {
        let fields = [("name", name), ("group", &served.resource.group), ("kind", kind)];
        let present = fields.into_iter().filter(|(_, text)| !text.is_empty());
        self.details = present.map(|(key, text)| (key.to_owned(), text.into())).collect();
        self
    }

    fn of(code: u16, reason: &'static str, served: &ServedKind, name: &str, message: String) -> Self {
        Self::new(code, reason, message).about(&served.resource.plural, served, name)
    }

    /// An unknown path.
    pub fn no_such_path() -> Self {
        Self::new(404, "", "404 page not found")
    }

    /// The same, with what a test has to know about it.
    pub fn unknown_path(why: &str) -> Self {
        Self::new(404, "", format!("404 page not found (korf_testing: {why})"))
    }

    /// The path of a kind that isn't served.
    pub fn not_served(group: &str, version: &str, plural: &str) -> Self {
        let kind = [plural, version, group].join(".");
        Self::unknown_path(&format!(
            "`{}` isn't served here; `cluster.serve(ServedKind::of::<K>())` serves it, where `K` is its type",
            kind.trim_end_matches('.')
        ))
    }

    pub fn not_found(served: &ServedKind, name: &str) -> Self {
        Self::of(404, "NotFound", served, name, format!("{} \"{name}\" not found", served.title()))
    }

    pub fn already_exists(served: &ServedKind, name: &str, going: bool) -> Self {
        let going = if going { "object is being deleted: " } else { "" };
        let message = format!("{going}{} \"{name}\" already exists", served.title());
        Self::of(409, "AlreadyExists", served, name, message)
    }

    /// A new object in a namespace that is being deleted.
    pub fn terminating(served: &ServedKind, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            served.title()
        );
        let mut rejection = Self::of(403, "Forbidden", served, name, message);
        let cause = json!({
            "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        });
        rejection.details.insert("causes".into(), json!([cause]));
        rejection
    }

    pub fn conflict(served: &ServedKind, name: &str, why: Option<String>) -> Self {
        let why = why.as_deref().unwrap_or(MODIFIED);
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", served.title());
        Self::of(409, "Conflict", served, name, message)
    }

    /// The deletion of another object, or another state, than the present one.
    pub fn precondition(served: &ServedKind, name: &str, [title, wanted, record, found]: [&str; 4]) -> Self {
        let kind = &served.resource.kind;
        let full = served.in_group(kind);
        let message = format!(
            "Operation cannot be fulfilled on {full} \"{name}\": the {title} in the precondition ({wanted}) does not \
             match the {record} ({found}). The object might have been {}",
            if title == "UID" { "deleted and then recreated" } else { "modified" }
        );
        Self::new(409, "Conflict", message).about(kind, served, name)
    }

    /// A patch whose result can't be decoded as an object.
    pub fn undecodable_patch(object: &Value, why: &str) -> Self {
        let words = format!("Invalid value: {:?}: {why}", object.to_string());
        let mut rejection = Self::new(422, "Invalid", format!(" \"\" is invalid: patch: {words}"));
        let cause = json!({"reason": "FieldValueInvalid", "message": words, "field": "patch"});
        rejection.details.insert("causes".into(), json!([cause]));
        rejection
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn not_supported(served: &ServedKind, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", served.title());
        Self::of(405, "MethodNotAllowed", served, "", message)
    }

    pub fn internal_error(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub fn unsupported_media_type() -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )
    }

    /// What a real server does, and this one doesn't.
    pub fn not_done(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("korf_testing's API server doesn't do {what}"))
    }

    /// A JSON patch that doesn't fit the object.
    pub fn unpatchable() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// A parameter of a patch that is missing, or doesn't belong there.
    pub fn invalid_patch_options(field: &str, error: &FieldError) -> Self {
        let (reason, words) = error.words();
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: {field}: {words}");
        let mut rejection = Self::new(422, "Invalid", message);
        let cause = json!({"reason": reason, "message": words, "field": field});
        rejection.details = Map::from_iter([
            ("group".to_owned(), "meta.k8s.io".into()),
            ("kind".to_owned(), "PatchOptions".into()),
            ("causes".to_owned(), json!([cause])),
        ]);
        rejection
    }

    /// An apply that changes fields of other managers.
    pub fn apply_conflict(served: &ServedKind, conflicts: &[FieldConflict]) -> Self {
        let version = &served.resource.api_version;
        let causes: Vec<_> = conflicts.iter().map(|conflict| conflict.cause(version)).collect();
        let message = match conflicts {
            [one] => {
                format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager(version), one.path)
            }
            many => {
                let mut lines = Vec::new();
                for conflict in many {
                    let title = format!("conflicts with {}:", conflict.manager(version));
                    if !lines.contains(&title) {
                        lines.push(title);
                    }
                    lines.push(format!("- {}", conflict.path));
                }
                format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
            }
        };
        let mut rejection = Self::new(409, "Conflict", message);
        rejection.details.insert("causes".into(), causes.into());
        rejection
    }

    /// A field with an invalid value. The real server checks some fields more than once, and lists each failure.
    pub fn invalid(served: &ServedKind, name: &str, field: &str, error: &FieldError) -> Self {
        Self::invalid_as(&served.resource.kind, served, name, field, error)
    }

    /// The same, with another kind in the message.
    pub fn invalid_as(kind: &str, served: &ServedKind, name: &str, field: &str, error: &FieldError) -> Self {
        let (reason, words) = error.words();
        let message = format!("{} \"{name}\" is invalid: {field}: {words}", served.in_group(kind));
        let mut rejection = Self::new(422, "Invalid", message).about(kind, served, name);
        let cause = json!({"reason": reason, "message": words, "field": field});
        rejection.details.insert("causes".into(), vec![cause; error.times()].into());
        rejection
    }

    /// A watch with a streamed list, but without its other parameters.
    pub fn invalid_list_options(field: &str, words: &str) -> Self {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: {words}");
        let mut rejection = Self::new(422, "Invalid", message);
        let cause = json!({"reason": "FieldValueForbidden", "message": words, "field": field});
        rejection.details = Map::from_iter([
            ("group".to_owned(), "meta.k8s.io".into()),
            ("kind".to_owned(), "ListOptions".into()),
            ("causes".to_owned(), json!([cause])),
        ]);
        rejection
    }

    /// A version that the server has forgotten.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A page of a list whose version the server has forgotten.
    pub fn expired_page() -> Self {
        Self::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result.",
        )
    }

    /// An injected fault.
    pub fn injected(code: u16) -> Self {
        let (reason, message) = match code {
            404 => ("NotFound", "an injected fault: there is no such thing"),
            409 => ("Conflict", MODIFIED),
            410 => ("Expired", "too old resource version"),
            422 => ("Invalid", "an injected fault: the object is invalid"),
            429 => ("TooManyRequests", "too many requests, please try again later"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "the server was unable to return a response in the time allotted"),
            _ => ("InternalError", "an injected fault: internal error"),
        };
        Self::new(code, reason, message)
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.details.is_empty() {
            status["details"] = Value::Object(self.details.clone());
        }
        status
    }
}

/// The error in a field.
#[derive(Debug)]
pub(super) enum FieldError {
    Required(&'static str),
    Immutable(String),
    Invalid(String, String),
    Forbidden(String),
    TooLong(usize),
}

impl FieldError {
    fn times(&self) -> usize {
        match self {
            Self::Required(_) | Self::Invalid(..) => 1,
            Self::Immutable(_) | Self::Forbidden(_) => 2,
            Self::TooLong(_) => 3,
        }
    }

    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Required(what) => ("FieldValueRequired", format!("Required value: {what}")),
            Self::Immutable(value) => {
                ("FieldValueInvalid", format!("Invalid value: \"{value}\": field is immutable"))
            }
            Self::Invalid(value, why) => ("FieldValueInvalid", format!("Invalid value: {value}: {why}")),
            Self::Forbidden(why) => ("FieldValueForbidden", format!("Forbidden: {why}")),
            Self::TooLong(most) => {
                ("FieldValueTooLong", format!("Too long: may not be more than {most} bytes"))
            }
        }
    }
}
