//! Requests for one object: the one place that sends PATCHes, and the one that reads.

use super::{
    budget::{RetryBudget, Tries},
    fault::{Fault, is_dealt_with},
    message::explain,
    permissions::Verb,
};
use crate::runtime::{
    kind::KindContext,
    lead::Fence,
    object::WatchedObject,
    observe::{Observation, traces},
};
use korf_core::{Part, body::Body, patch::Request};
use kube::api::{Patch, PatchParams};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

/// Why an object can't be read.
#[derive(Debug)]
pub enum Unread {
    /// There is no such object any more: it is gone, or another one has its name.
    Gone,
    /// The operator may not read it, or the API server was unreachable for too long.
    Failed(String, Fault),
}

impl KindContext {
    pub(super) fn tries<'a>(&self, verb: Verb, budget: RetryBudget<'a>) -> Tries<'a> {
        budget.tries(self.permissions.is_missing(verb))
    }

    /// Whether a fault is no longer retried in this turn. While the operator stops, there is no later turn.
    pub(super) fn gives_up(&self, fault: Fault, tries: &Tries<'_>) -> bool {
        fault.is_transient() && tries.is_exhausted(fault) && !self.operator.stopping.is_cancelled()
    }

    /// Sends a patch, once; never for an object that is another operator's by now.
    pub(super) async fn send(
        &self,
        body: &Body,
        request: &Request,
        fence: &Fence,
    ) -> kube::Result<WatchedObject> {
        fence.pass().await;
        let (api, params) = (self.api_of(body), PatchParams::default());
        let merge = Patch::Merge(&request.patch);
        let answer = async {
            match request.part {
                Part::Status => api.patch_status(body.name(), &params, &merge).await,
                Part::Object => api.patch(body.name(), &params, &merge).await,
            }
        };
        let span = traces::patch(request.part);
        let answer = self.answered(Verb::Patch(request.part), answer).instrument(span.clone()).await;
        traces::patched(&span, answer.as_ref().err());
        answer
    }

    /// Waits for an answer, and takes in what it says of the permission.
    async fn answered(
        &self,
        verb: Verb,
        answer: impl Future<Output = kube::Result<WatchedObject>>,
    ) -> kube::Result<WatchedObject> {
        let (limit, begun) = (self.operator.settings.requests.timeout, Instant::now());
        let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(too_slow(verb, limit)));
        if answer.is_ok() {
            self.permissions.note(verb, false);
        }
        if let Verb::Patch(part) = verb {
            self.metrics.note_write(part, answer.as_ref().err().map(Fault::of), begun.elapsed());
            self.writes.note(answer.as_ref().err().is_none_or(is_dealt_with));
        }
        answer
    }

    /// Reads the object as it is now, within a budget.
    pub(in crate::runtime) async fn read(
        &self,
        body: &Body,
        budget: RetryBudget<'_>,
    ) -> Result<Body, Unread> {
        let mut tries = self.tries(Verb::Get, budget);
        loop {
            let api = self.api_of(body);
            let error = match self.answered(Verb::Get, api.get(body.name())).await {
                Ok(object) if object.body().uid() == body.uid() => return Ok(self.body(object)),
                Ok(_) => return Err(Unread::Gone),
                Err(error) => error,
            };
            match Fault::of(&error) {
                Fault::Missing => return Err(Unread::Gone),
                Fault::Forbidden if tries.is_forbidden() => {
                    self.permissions.note(Verb::Get, true);
                    return Err(Unread::Failed(explain(&error), Fault::Forbidden));
                }
                Fault::Forbidden => {}
                // Any other answer to a GET may be another one in a moment.
                fault if self.gives_up(Fault::Transient, &tries) => {
                    return Err(Unread::Failed(explain(&error), fault));
                }
                _ => self.observe(Observation::ReadFailed { why: &explain(&error), again: tries.delay() }),
            }
            tries.wait().await;
        }
    }
}

fn too_slow(verb: Verb, limit: Duration) -> kube::Error {
    let request = match verb {
        Verb::Get => "the GET of the object",
        Verb::Patch(Part::Object) => "the PATCH of the object",
        Verb::Patch(Part::Status) => "the PATCH of its status",
    };
    let message = format!("the API server has not answered {request} within {} seconds", limit.as_secs());
    kube::Error::Service(message.into())
}
