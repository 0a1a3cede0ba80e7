//! Edits on their way: their requests are sent, and drafted again for a newer state where the object has changed.

use super::{
    budget::{RetryBudget, Tries},
    fault::{Fault, fields},
    message::explain,
    permissions::Verb,
    request::Unread,
};
use crate::runtime::{
    discovery::finds_status_subresource, kind::KindContext, object::WatchedObject, observe::Observation,
};
use korf_core::{
    Part,
    body::Body,
    diff::Field,
    patch::{Draft, Edits, Omit, Request},
};
use serde_json::Value;

/// Why edits aren't written.
#[derive(Debug)]
pub enum Unwritten {
    /// There is no such object any more.
    Gone,
    /// The API server doesn't accept them.
    Failed(WriteFailure),
    /// The object has changed, and they were for the state before: they remove the finalizer, which another handler may need
    /// now; or they are those of event handlers, which are called for the newer state, too.
    Changed {
        /// See [`WriteFailure::seen`].
        seen: Body,
        newest: Body,
    },
}

/// Edits that the API server doesn't accept.
#[derive(Debug)]
pub struct WriteFailure {
    /// The object as it was planned for, or as our own requests have left it. Changes by others are not in it: no turn has
    /// seen them yet.
    pub seen: Body,
    /// The object as it is, as far as is known.
    pub newest: Body,
    /// The API server's reason, for people.
    pub why: String,
    /// The class of its error.
    pub fault: Fault,
    /// They remove the finalizer.
    pub releases: bool,
    /// `seen` may be older than our own last request: the answer to one was lost, or another one was taken meanwhile.
    pub in_doubt: bool,
}

impl WriteFailure {
    /// Whether another try can't succeed.
    pub fn is_final(&self) -> bool {
        !self.fault.is_transient() && self.fault != Fault::Forbidden
    }
}

/// Edits on their way.
pub struct Writing<'a> {
    kind: &'a KindContext,
    edits: &'a Edits,
    /// The edits that the API server has rejected so far.
    omit: Omit,
    /// The edits for `body`.
    draft: Draft<'a>,
    /// They are for the state that they were asked for, and no other.
    exactly: bool,
    /// The object as it is, as far as is known.
    body: Body,
    /// See [`WriteFailure::seen`]: without the patches in `written`.
    before: Body,
    /// The patches that were written since, to an object that others may have changed.
    written: Vec<Value>,
    /// See [`WriteFailure::in_doubt`].
    in_doubt: bool,
    budget: RetryBudget<'a>,
}

impl<'a> Writing<'a> {
    /// Edits of an object, without those that are to be omitted.
    pub fn new(
        kind: &'a KindContext,
        body: Body,
        edits: &'a Edits,
        omit: Omit,
        budget: RetryBudget<'a>,
    ) -> Self {
        let draft = edits.draft(&body, &kind.setup.storage, omit);
        let before = body.clone();
        Self {
            kind,
            before,
            written: Vec::new(),
            body,
            edits,
            omit,
            draft,
            exactly: false,
            in_doubt: false,
            budget,
        }
    }

    /// The same, for the state that they were asked for, and no other.
    pub fn exactly(self) -> Self {
        Self { exactly: true, ..self }
    }

    /// Whether they would change anything.
    pub fn is_pending(&self) -> bool {
        let subresource = self.kind.has_status_subresource();
        [Part::Status, Part::Object]
            .into_iter()
            .any(|part| self.draft.request(part, &self.body, subresource).is_some())
    }

    /// Sends them, and returns the object as it is then. Retries within its budget.
    pub async fn finish(self) -> Result<Body, Unwritten> {
        Ok(self.finish_apart().await?.0)
    }

    /// The same, and the object without changes by others, where handlers have changed it.
    pub async fn finish_apart(mut self) -> Result<(Body, Option<Body>), Unwritten> {
        let (order, subresource) = (self.edits.order(), self.kind.has_status_subresource());
        for part in order {
            self.write(part).await?;
        }
        if subresource && !self.kind.has_status_subresource() && order[1] == Part::Status {
            // The subresource is gone: the status is written with the object, whose turn is over.
            self.write(Part::Object).await?;
        }
        if !subresource && self.kind.has_status_subresource() && order[0] == Part::Status {
            // It has come: the object didn't take the status.
            self.write(Part::Status).await?;
        }
        for why in self.draft.left_out() {
            self.kind.observe(Observation::EditLeftOut { why });
        }
        let has_status = |field: &Field| field.keys().first().is_none_or(|key| key == "status");
        let mut fields = self.kind.setup.handlers.iter().filter_map(|handler| handler.filter.field.as_ref());
        // A change of the status is none of the essence, unless handlers name a field there.
        let changes_essence = self.edits.may_change_object() || fields.any(has_status);
        let ours = (self.edits.has_requested() && changes_essence).then(|| self.seen());
        Ok((self.body, ours))
    }

    /// Writes one part.
    async fn write(&mut self, part: Part) -> Result<(), Unwritten> {
        let mut tries = self.kind.tries(Verb::Patch(part), self.budget);
        while let Some(request) = self.request(part) {
            match self.kind.send(&self.body, &request, self.budget.fence).await {
                Ok(object) => {
                    self.written(request, object).await;
                    break;
                }
                Err(error) => {
                    self.recover(part, &error, &mut tries).await?;
                    self.kind.metrics.note_retry();
                }
            }
        }
        Ok(())
    }

    fn request(&self, part: Part) -> Option<Request> {
        let mut request = self.draft.request(part, &self.body, self.kind.has_status_subresource())?;
        // With leases, a write of an earlier holder that is still on its way has to fail once this one has written.
        if self.exactly || self.kind.operator.holdings.are_leased() {
            request.patch["metadata"]["resourceVersion"] = self.body.version().into();
        }
        Some(request)
    }

    async fn written(&mut self, request: Request, object: WatchedObject) {
        self.body = object.into_body();
        self.in_doubt = false;
        let fields = self.kind.newly_dropped(request.inconsistencies(&self.body));
        let of_status = |field: &String| field.starts_with("status");
        if request.part == Part::Object
            && !self.kind.has_status_subresource()
            && fields.iter().any(of_status)
            && finds_status_subresource(self.kind).await
        {
            // Its CRD was changed: the status is written by a request of its own.
            self.kind.forget_dropped(of_status);
        } else if !fields.is_empty() {
            self.kind.observe(Observation::Inconsistent { fields: &fields });
        }
        // Only an answer to this very version has no changes by others in it.
        if request.patch["metadata"]["resourceVersion"] == self.before.version() {
            (self.before, self.written) = (self.body.clone(), Vec::new());
        } else if self.edits.has_requested() {
            self.written.push(request.patch);
        }
    }

    /// See [`WriteFailure::seen`].
    fn seen(&self) -> Body {
        self.written.iter().fold(self.before.clone(), |seen, patch| seen.patched(patch))
    }

    /// Does what is needed before a request can be sent again.
    async fn recover(
        &mut self,
        part: Part,
        error: &kube::Error,
        tries: &mut Tries<'_>,
    ) -> Result<(), Unwritten> {
        self.in_doubt |= matches!(Fault::of(error), Fault::Transient | Fault::Unexplained | Fault::Conflict);
        match Fault::of(error) {
            fault if self.kind.gives_up(fault, tries) => {
                return Err(self.failed(explain(error), fault));
            }
            Fault::Forbidden if tries.is_forbidden() => {
                self.kind.permissions.note(Verb::Patch(part), true);
                return Err(self.failed(explain(error), Fault::Forbidden));
            }
            Fault::Forbidden => tries.wait().await,
            Fault::Transient | Fault::Unexplained => {
                self.kind.observe(Observation::WriteFailed { why: &explain(error), again: tries.delay() });
                tries.wait().await;
            }
            Fault::Conflict => {
                tries.wait().await;
                self.turn_to_newest(part, error).await?;
            }
            Fault::Missing => {
                self.turn_to_newest(part, error).await?;
                tries.wait().await;
            }
            Fault::Invalid | Fault::TooLarge => self.turn_to_newest(part, error).await?,
        }
        Ok(())
    }

    /// Goes on with the object as it is now.
    async fn turn_to_newest(&mut self, part: Part, error: &kube::Error) -> Result<(), Unwritten> {
        let (newest, fault) = (self.read().await?, Fault::of(error));
        self.in_doubt = false;
        let storage = &self.kind.setup.storage;
        let draft = self.edits.draft(&newest, storage, self.omit);
        let stored = draft.request(part, &newest, self.kind.has_status_subresource()).is_none();
        let changed = newest.version() != self.seen().version();
        match (fault, part) {
            // The answer to an earlier request got lost.
            _ if stored => {}
            // Handlers that may need the finalizer now, or have to see the newer state, come before anything else.
            _ if changed && (self.exactly || self.edits.removes_finalizer()) => {
                return Err(Unwritten::Changed { seen: self.seen(), newest });
            }
            // The object is there: it is the subresource that is missing.
            (Fault::Missing, Part::Status) => self.kind.set_status_subresource(false),
            (Fault::Invalid, _) => {
                match self.draft.omission(part, fields(error), self.kind.has_status_subresource()) {
                    Some(omit) => {
                        let status = part == Part::Status;
                        self.kind.observe(Observation::EditsRejected { status, why: &explain(error) });
                        self.omit = omit;
                    }
                    None => return Err(self.failed(explain(error), fault)),
                }
            }
            (Fault::TooLarge, _) => return Err(self.failed(explain(error), fault)),
            _ => {}
        }
        self.draft = self.edits.draft(&newest, storage, self.omit);
        self.body = newest;
        Ok(())
    }

    async fn read(&self) -> Result<Body, Unwritten> {
        self.kind.read(&self.body, self.budget).await.map_err(|unread| match unread {
            Unread::Gone => Unwritten::Gone,
            Unread::Failed(why, fault) => self.failed(why, fault),
        })
    }

    fn failed(&self, why: String, fault: Fault) -> Unwritten {
        let seen = self.seen();
        let in_doubt = self.in_doubt || self.body.version() != seen.version();
        let (newest, releases) = (self.body.clone(), self.edits.removes_finalizer());
        Unwritten::Failed(WriteFailure { seen, newest, why, fault, releases, in_doubt })
    }
}
