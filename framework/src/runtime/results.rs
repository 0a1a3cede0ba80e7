//! What the handlers of a cycle came to, and how it is written: whole, as far as the API server takes that.

use super::{apply::Unwritten, clock, fault::Fault, kind::Watched, report, request::Budget};
use crate::core::{
    Reason,
    body::Body,
    cycle::{Cycle, Done, End, Setup},
    patch::{Part, Patch},
    storage::Form,
};
use jiff::Timestamp;
use std::borrow::Cow;

/// What the handlers of one cycle came to.
#[derive(Debug)]
pub struct Results {
    pub cycle: Cycle,
    pub done: Vec<Done>,
    /// What the handlers have asked for.
    pub additions: Patch,
    /// How the cycle stands by that.
    pub end: End,
    /// When they had come to it.
    at: Timestamp,
}

/// One form of what is to be written of results.
struct Shape {
    patch: Patch,
    end: End,
}

/// What was written of results.
pub struct Written {
    /// The object as it is then.
    pub newest: Body,
    /// How the cycle stands.
    pub end: End,
    /// How essences are kept.
    pub form: Form,
    /// The status has not kept what is to be kept in it.
    pruned: bool,
}

impl Shape {
    fn written(self, newest: Body) -> Written {
        let pruned = self.patch.is_pruned(&newest);
        Written { newest, end: self.end, form: self.patch.form(), pruned }
    }
}

impl Results {
    /// What these handlers have come to now; in the end of a deletion without the status: nobody will read it, and it
    /// would cost a write.
    pub fn new(setup: &Setup, body: &Body, cycle: Cycle, done: Vec<Done>, additions: Patch) -> Self {
        let at = clock::now();
        let (_, end) = cycle.settle(setup, body, &done, at);
        let ends = cycle.reason == Reason::Delete && matches!(end, End::Processed(_) | End::Released);
        let additions = if ends { additions.without_status() } else { additions };
        Self { cycle, done, additions, end, at }
    }

    /// What is to be written of them where things are kept as the setup says, with some of what handlers have asked for.
    fn shape(&self, setup: &Setup, additions: &Patch, body: &Body) -> Shape {
        let (own, end) = self.cycle.settle(setup, body, &self.done, self.at);
        let mut patch = additions.clone();
        patch.join(own);
        Shape { patch, end }
    }
}

/// Writes the results of one object.
pub struct Writer<'a> {
    pub watched: &'a Watched,
    pub results: &'a Results,
    pub budget: Budget,
    /// Those that the answers bring.
    pub versions: Vec<String>,
}

impl Writer<'_> {
    /// Writes the results, and once more into annotations if it turns out that the status doesn't keep them.
    pub async fn write(&mut self, body: Body) -> Result<Written, Unwritten> {
        let watched = self.watched;
        let setup = watched.setup();
        let written = self.write_as(setup, body).await?;
        // Other workers may have found out meanwhile: what counts is where this one has written.
        if !written.pruned || setup.storage.outside_status().is_none() {
            return Ok(written);
        }
        if watched.leave_the_status() {
            report::status_is_pruned(&watched.title());
        }
        self.write_in_some_form(watched.setup(), &Patch::default(), written.newest).await
    }

    /// Writes the results; without what handlers have asked for, if it is too large with that in all forms.
    async fn write_as(&mut self, setup: &Setup, body: Body) -> Result<Written, Unwritten> {
        let Results { additions, .. } = self.results;
        let refusal = match self.write_in_some_form(setup, additions, body).await {
            Err(Unwritten::Refused(refusal)) => refusal,
            done => return done,
        };
        if refusal.fault != Fault::TooLarge || !self.watched.is_pending(additions, &refusal.seen) {
            return Err(Unwritten::Refused(refusal));
        }
        let written = self.write_in_some_form(setup, &Patch::default(), refusal.seen).await?;
        report::additions_refused(&refusal.why);
        Ok(written)
    }

    /// Tries what is large first, and then one smaller form after the other.
    async fn write_in_some_form(
        &mut self,
        setup: &Setup,
        additions: &Patch,
        mut body: Body,
    ) -> Result<Written, Unwritten> {
        let (results, mut setup) = (self.results, Cow::Borrowed(setup));
        let mut shape = results.shape(&setup, additions, &body);
        loop {
            let patch = shape.patch.clone();
            let writing = self.watched.writing(body, patch, self.budget, &mut self.versions);
            let refusal = match writing.finish().await {
                Ok(newest) => return Ok(shape.written(newest)),
                Err(Unwritten::Changed { newest, .. }) => {
                    shape = results.shape(&setup, additions, &newest);
                    body = newest;
                    continue;
                }
                Err(Unwritten::Refused(refusal)) if refusal.fault == Fault::TooLarge => refusal,
                Err(unwritten) => return Err(unwritten),
            };
            let refused = shape.patch.clone();
            // One that says the same is of no use.
            while shape.patch == refused {
                let Some(storage) = setup.storage.smaller() else { return Err(Unwritten::Refused(refusal)) };
                setup = Cow::Owned(Setup { storage, ..setup.into_owned() });
                shape = results.shape(&setup, additions, &refusal.seen);
            }
            body = refusal.seen;
        }
    }
}

impl Watched {
    /// Whether a patch would still change something.
    pub(super) fn is_pending(&self, patch: &Patch, body: &Body) -> bool {
        let draft = self.draft(patch, body);
        let request = |part| draft.request(part, body, self.has_status_subresource());
        [Part::Status, Part::Object].into_iter().any(|part| request(part).is_some())
    }
}
