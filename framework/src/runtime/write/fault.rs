//! Faults: classes of the API server's errors, by what a request that met one does next.

use kube::{
    Error,
    core::{Status, response::StatusCause},
    runtime::watcher,
};

/// A class of errors of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server is unreachable or busy, or rejects the request for a reason that may pass: it is retried after a while.
    Transient,
    /// The object has changed meanwhile (409).
    Conflict,
    /// There is no such object (404 with this reason).
    Missing,
    /// The server has met something that it has no word for (500 without a reason): its own trouble, or a content that it
    /// can't take.
    Unexplained,
    /// The server rejects the content (400, 422): another uid, or a violation of the schema. Or an admission webhook or policy
    /// denies it, with whatever code.
    Invalid,
    /// The operator lacks the permission (403), or the server doesn't allow the request at all (405).
    Forbidden,
    /// The object, or all of its annotations, would be too large (413, 422, or what etcd says).
    TooLarge,
}

const ANNOTATIONS: &str = "metadata.annotations";

/// Messages of etcd that the API server passes on, with a code of 500 or so.
const ETCD: [&str; 2] = ["etcdserver: request is too large", "trying to send message larger than max"];

impl Fault {
    /// All classes, in their order.
    pub const ALL: [Self; 7] = [
        Self::Transient,
        Self::Conflict,
        Self::Missing,
        Self::Unexplained,
        Self::Invalid,
        Self::Forbidden,
        Self::TooLarge,
    ];

    /// The name in metrics and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "unavailable",
            Self::Conflict => "conflict",
            Self::Missing => "missing",
            Self::Unexplained => "unexplained",
            Self::Invalid => "rejected",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether the same request may succeed after a while without anyone's intervention.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Transient | Self::Unexplained | Self::Conflict | Self::Missing)
    }

    pub fn of(error: &Error) -> Self {
        match error {
            Error::Api(status) => match status.code {
                _ if is_denied(status) => Self::Invalid,
                403 if is_terminating(status) => Self::Transient,
                404 if !is_unserved(status) => Self::Missing,
                409 => Self::Conflict,
                _ if is_too_large(status) => Self::TooLarge,
                400 | 422 => Self::Invalid,
                403 | 405 => Self::Forbidden,
                500 if status.reason.is_empty() => Self::Unexplained,
                _ => Self::Transient,
            },
            _ => Self::Transient,
        }
    }
}

/// Whether the API server has dealt with a request, though not as it should: it would deal with others, too.
pub fn is_dealt_with(error: &Error) -> bool {
    match Fault::of(error) {
        Fault::Conflict | Fault::Missing | Fault::Invalid | Fault::TooLarge => true,
        Fault::Transient => {
            matches!(error, Error::Api(status) if is_terminating(status) || is_unserved(status))
        }
        Fault::Unexplained | Fault::Forbidden => false,
    }
}

/// Whether a 404 is about the path, and says nothing of the object: the server doesn't serve the kind in this version, or not yet
/// while it starts.
fn is_unserved(status: &Status) -> bool {
    status.code == 404 && status.reason != "NotFound"
}

/// Whether an admission webhook or policy denies a request. It chooses the code itself.
fn is_denied(status: &Status) -> bool {
    let by_webhook =
        status.message.starts_with("admission webhook ") && status.message.contains(" denied the request");
    by_webhook || status.message.contains(" denied request: ")
}

/// Whether a 403 says that a namespace or a CRD is being deleted: no permission is missing.
pub fn is_terminating(status: &Status) -> bool {
    let by_cause = causes(status).any(|cause| cause.reason == "NamespaceTerminating");
    let says = |text: &str| status.message.contains(text);
    by_cause || says("because it is being terminated") || says("custom resource definition is terminating")
}

fn is_too_large(status: &Status) -> bool {
    let too_long = |cause: &StatusCause| cause.field == ANNOTATIONS && cause.reason == "FieldValueTooLong";
    status.code == 413
        || ETCD.iter().any(|words| status.message.contains(words))
        || (status.code == 422 && causes(status).any(too_long))
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

/// The fields that the API server rejects, as far as it names them.
pub fn fields(error: &Error) -> impl Iterator<Item = &str> {
    let status = match error {
        Error::Api(status) => Some(status),
        _ => None,
    };
    let fields = status.into_iter().flat_map(|status| causes(status)).map(|cause| cause.field.as_str());
    fields.filter(|field| !field.is_empty())
}

/// The status code, if the API server rejected the watch.
pub fn watch_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchFailed(Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(code: u16, message: &str, field: &str, reason: &str) -> Error {
        let causes = json!([{"field": field, "reason": reason, "message": message}]);
        let status =
            json!({"status": "Failure", "code": code, "message": message, "details": {"causes": causes}});
        Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn only_an_object_that_the_server_does_not_find_is_missing() {
        let cases = [
            ("NotFound", "things.korf.dev \"a\" not found", Fault::Missing),
            // What kube makes of an answer that isn't JSON.
            ("Failed to parse error data", "404 page not found\n", Fault::Transient),
            ("", "404 page not found", Fault::Transient),
        ];
        for (reason, message, fault) in cases {
            let status = Status { code: 404, ..Status::failure(message, reason) };
            let error = Error::Api(Box::new(status));
            assert_eq!(Fault::of(&error), fault, "{reason}");
            assert!(is_dealt_with(&error), "the server is there: {reason}");
        }
    }

    /// What kube-apiserver 1.37.2 answers.
    #[test]
    fn what_is_too_large_is_told_from_what_is_wrong_and_from_what_passes() {
        let cases = [
            (
                422,
                "Too long: may not be more than 262144 bytes",
                ANNOTATIONS,
                "FieldValueTooLong",
                Fault::TooLarge,
            ),
            (500, "etcdserver: request is too large", "", "", Fault::TooLarge),
            (
                500,
                "rpc error: code = ResourceExhausted desc = trying to send message larger than max (4628903 vs. 2097152)",
                "",
                "",
                Fault::TooLarge,
            ),
            (413, "Request entity too large: limit is 3145728", "", "", Fault::TooLarge),
            (
                422,
                "Too long: may not be more than 63 bytes",
                "metadata.labels",
                "FieldValueTooLong",
                Fault::Invalid,
            ),
            (422, "Invalid value", ANNOTATIONS, "FieldValueInvalid", Fault::Invalid),
            (400, "json: cannot unmarshal", "", "", Fault::Invalid),
            (409, "the object has been modified", "", "", Fault::Conflict),
            (500, "etcdserver: leader changed", "", "", Fault::Unexplained),
            (429, "storage is (re)initializing", "", "", Fault::Transient),
            (403, "admission webhook \"pods.example.com\" denied the request: no", "", "", Fault::Invalid),
            (409, "admission webhook \"pods.example.com\" denied the request: no", "", "", Fault::Invalid),
            (
                500,
                "admission webhook \"pods.example.com\" denied the request without explanation",
                "",
                "",
                Fault::Invalid,
            ),
            (429, "admission webhook \"pods.example.com\" denied the request: later", "", "", Fault::Invalid),
            (
                403,
                "things.korf.dev \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                "",
                "",
                Fault::Invalid,
            ),
            (
                500,
                "Internal error occurred: failed calling webhook \"pods.example.com\": refused",
                "",
                "",
                Fault::Unexplained,
            ),
            (
                403,
                "events.events.k8s.io \"e\" is forbidden: unable to create new content in namespace term because it is being \
                 terminated",
                "",
                "",
                Fault::Transient,
            ),
            (
                403,
                "create not allowed while custom resource definition is terminating",
                "",
                "",
                Fault::Transient,
            ),
            (429, "too many requests", "", "", Fault::Transient),
            (401, "Unauthorized", "", "", Fault::Transient),
            (403, "x is forbidden: User u cannot patch resource", "", "", Fault::Forbidden),
            (405, "the server does not allow this method", "", "", Fault::Forbidden),
        ];
        for (code, message, field, reason, fault) in cases {
            let error = answer(code, message, field, reason);
            assert_eq!(Fault::of(&error), fault, "{message}");
            let named = Some(field).filter(|field| !field.is_empty());
            assert_eq!(fields(&error).next(), named);
        }
    }
}
