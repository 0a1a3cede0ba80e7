//! Writes a patch, as far as the API server takes it within the time that there is for that.

use super::{
    fault::{Fault, explain, fields},
    kind::Watched,
    object::Object,
    report,
    request::{Budget, Patience, Unread},
    rights::{Action, Right},
};
use crate::core::{
    body::Body,
    patch::{Draft, Part, Patch, Request, inconsistencies},
};

/// There is no such object any more: gone, or another one of that name.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// Why a patch isn't written.
#[derive(Debug)]
pub enum Unwritten {
    /// There is no such object any more.
    Gone,
    /// The API server doesn't take it.
    Refused(Refusal),
    /// It takes the finalizer off an object that others have changed meanwhile: somebody may need it now.
    Changed {
        /// See [`Refusal::seen`].
        seen: Body,
        newest: Body,
    },
}

/// A patch that the API server doesn't take.
#[derive(Debug)]
pub struct Refusal {
    /// The object as it was planned for, or as our own requests have left that. What others have changed meanwhile isn't
    /// in it: nobody has looked at that yet.
    pub seen: Body,
    /// What the API server says.
    pub why: String,
    /// What that means.
    pub fault: Fault,
}

impl Watched {
    /// Writes what a patch would change. The versions that it brings are added to `versions`.
    pub(super) fn writing<'a>(
        &'a self,
        body: Body,
        patch: Patch,
        budget: Budget,
        versions: &'a mut Vec<String>,
    ) -> Writing<'a> {
        let (draft, seen) = (self.draft(&patch, &body), body.clone());
        Writing { watched: self, seen, body, patch, draft, exactly: false, budget, resent: false, versions }
    }

    /// What a patch comes to for an object as it is now.
    pub(super) fn draft(&self, patch: &Patch, body: &Body) -> Draft {
        patch.draft(body, &self.setup().storage)
    }
}

/// A patch on its way.
pub struct Writing<'a> {
    watched: &'a Watched,
    patch: Patch,
    /// What the patch comes to for `body`.
    draft: Draft,
    /// Whether requests hit nothing but `body`.
    exactly: bool,
    /// The object as it is, as far as is known.
    body: Body,
    /// See [`Refusal::seen`].
    seen: Body,
    budget: Budget,
    /// Whether some request was sent again whose answer was lost, maybe.
    resent: bool,
    /// Those of the answers that are known to be the patch's.
    versions: &'a mut Vec<String>,
}

impl Writing<'_> {
    /// The same, by requests that hit nothing but the object as it is known: so all of the versions are the patch's, and
    /// none is that of somebody who has written the same.
    pub fn exactly(self) -> Self {
        Self { exactly: true, ..self }
    }

    /// Sends it, and returns the object as it is then. Waits a while for an API server that is away or busy.
    pub async fn finish(mut self) -> Result<Body, Unwritten> {
        let (order, subresource) = (self.patch.order(), self.watched.has_status_subresource());
        for part in order {
            self.write(part).await?;
        }
        if subresource && !self.watched.has_status_subresource() && order[1] == Part::Status {
            // It is gone: the status is to be written with the object, which comes before.
            self.write(Part::Object).await?;
        }
        self.draft.faults().iter().for_each(|fault| report::addition_left_out(fault));
        Ok(self.body)
    }

    /// Writes one part.
    async fn write(&mut self, part: Part) -> Result<(), Unwritten> {
        let mut patience = self.watched.patience(Action::Write(part), self.budget);
        while let Some(request) = self.request(part) {
            match self.watched.send(&self.body, &request).await {
                Ok(object) => {
                    self.written(&request, object);
                    break;
                }
                Err(error) => self.mend(part, &error, &mut patience).await?,
            }
        }
        Ok(())
    }

    fn request(&self, part: Part) -> Option<Request> {
        let mut request = self.draft.request(part, &self.body, self.watched.has_status_subresource())?;
        if self.exactly {
            request.patch["metadata"]["resourceVersion"] = self.body.version().into();
        }
        Some(request)
    }

    fn written(&mut self, request: &Request, object: Object) {
        let newest = object.into_body();
        // It is the same where the request has changed nothing; or somebody else's, where an earlier request has.
        let exact = request.patch["metadata"]["resourceVersion"].is_string();
        if newest.version() != self.body.version() && (exact || !self.resent) {
            self.versions.push(newest.version().to_owned());
        }
        self.body = newest;
        // Of what else has changed, only this one says something.
        if request.patch["metadata"]["resourceVersion"] == self.seen.version() {
            self.seen = self.body.clone();
        }
        report::inconsistencies(&inconsistencies(&request.patch, &self.body));
    }

    /// Does what there is to do before a request can be sent again.
    async fn mend(
        &mut self,
        part: Part,
        error: &kube::Error,
        patience: &mut Patience,
    ) -> Result<(), Unwritten> {
        match Fault::of(error) {
            fault if self.watched.gives_up(fault, patience) => {
                return Err(self.refused(explain(error), fault));
            }
            Fault::Denied if patience.is_over() => {
                self.watched.rights.note(Action::Write(part), Right::Missing);
                return Err(self.refused(explain(error), Fault::Denied));
            }
            Fault::Denied => patience.wait().await,
            Fault::Passing => {
                self.resent = true;
                report::write_failed(&explain(error), patience.delay());
                patience.wait().await;
            }
            Fault::Conflict => {
                patience.wait().await;
                self.turn_to_newest(part, error).await?;
            }
            Fault::Missing => {
                self.turn_to_newest(part, error).await?;
                patience.wait().await;
            }
            Fault::Refused | Fault::TooLarge => self.turn_to_newest(part, error).await?,
        }
        Ok(())
    }

    /// Goes on with the object as it is now.
    async fn turn_to_newest(&mut self, part: Part, error: &kube::Error) -> Result<(), Unwritten> {
        let (newest, fault) = (self.read().await?, Fault::of(error));
        let subresource = self.watched.has_status_subresource();
        let stored = self.watched.draft(&self.patch, &newest).request(part, &newest, subresource).is_none();
        match (fault, part) {
            // The answer to an earlier request got lost.
            _ if stored => {}
            // Who may need the finalizer now is asked before anything else.
            _ if self.patch.lets_go() && newest.version() != self.seen.version() => {
                return Err(Unwritten::Changed { seen: self.seen.clone(), newest });
            }
            // The object is there: it is the subresource that is not.
            (Fault::Missing, Part::Status) => self.watched.set_status_subresource(false),
            (Fault::Refused, _) if self.is_to_blame(part, error) => self.leave_out(part, error),
            (Fault::Refused | Fault::TooLarge, _) => return Err(self.refused(explain(error), fault)),
            _ => {}
        }
        self.draft = self.watched.draft(&self.patch, &newest);
        self.body = newest;
        Ok(())
    }

    async fn read(&self) -> Result<Body, Unwritten> {
        self.watched.read(&self.body, self.budget).await.map_err(|unread| match unread {
            Unread::Gone => Unwritten::Gone,
            Unread::Failed(why, fault) => self.refused(why, fault),
        })
    }

    /// Whether it is what handlers have asked for that the API server refuses, as far as can be told.
    fn is_to_blame(&self, part: Part, error: &kube::Error) -> bool {
        let added = self.draft.adds_to(part, self.watched.has_status_subresource());
        added && !self.draft.keeps_alone(fields(error))
    }

    /// Goes on without what handlers have asked for.
    fn leave_out(&mut self, part: Part, error: &kube::Error) {
        let patch = std::mem::take(&mut self.patch);
        self.patch = match part {
            Part::Status => {
                report::status_refused(&explain(error));
                patch.without_status()
            }
            Part::Object => {
                report::additions_refused(&explain(error));
                let apart = self.watched.has_status_subresource();
                if apart { patch.without_object() } else { patch.without_additions() }
            }
        };
    }

    fn refused(&self, why: String, fault: Fault) -> Unwritten {
        Unwritten::Refused(Refusal { seen: self.seen.clone(), why, fault })
    }
}
