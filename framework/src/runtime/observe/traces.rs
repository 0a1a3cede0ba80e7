//! Spans for traces: turns, attempts of handlers, PATCHes. They are ordinary ones of `tracing`, and cost next to nothing while
//! nobody asks for them.

use super::metrics::{Called, outcome_name};
use crate::runtime::{kind::KindContext, write::Fault};
use korf_core::{Part, body::Body, retry::Outcome};
use tracing::{Span, field::Empty, info_span};

/// The target of these spans.
pub const TRACES: &str = "korf::traces";

/// A span for the turn of an object.
pub fn turn(kind: &KindContext, body: &Body) -> Span {
    info_span!(
        target: TRACES,
        "turn",
        korf.kind = kind.title(),
        korf.object.name = body.name(),
        korf.object.namespace = body.namespace(),
        korf.object.uid = body.uid(),
    )
}

/// A span for an attempt of a handler. Its number counts from 0.
pub fn attempt(called: Called, id: &str, number: u32) -> Span {
    info_span!(
        target: TRACES,
        "handler",
        korf.handler = id,
        korf.reason = called.as_str(),
        korf.attempt = number,
        korf.outcome = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Takes in what came of an attempt.
pub fn attempted(span: &Span, outcome: &Outcome) {
    if span.is_disabled() {
        return;
    }
    span.record("korf.outcome", outcome_name(outcome));
    match outcome {
        Outcome::Success | Outcome::Ignored | Outcome::Waiting { .. } | Outcome::Children { .. } => {}
        Outcome::Retry { message, .. } | Outcome::Failed { message } | Outcome::Rejected { message } => {
            span.record("otel.status_code", "ERROR").record("otel.status_description", &**message);
        }
    }
}

/// A span for a PATCH.
pub fn patch(part: Part) -> Span {
    let part = match part {
        Part::Object => "object",
        Part::Status => "status",
    };
    info_span!(
        target: TRACES,
        "PATCH",
        otel.kind = "client",
        http.request.method = "PATCH",
        http.response.status_code = Empty,
        korf.part = part,
        otel.status_code = Empty,
        error.type = Empty,
    )
}

/// Takes in why a PATCH has failed, if it has.
pub fn patched(span: &Span, error: Option<&kube::Error>) {
    if span.is_disabled() {
        return;
    }
    let code = match error {
        None => Some(200),
        Some(kube::Error::Api(status)) => Some(status.code),
        Some(_) => None,
    };
    if let Some(code) = code {
        span.record("http.response.status_code", code);
    }
    if let Some(error) = error {
        span.record("otel.status_code", "ERROR").record("error.type", Fault::of(error).as_str());
    }
}
