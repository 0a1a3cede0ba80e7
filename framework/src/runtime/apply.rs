//! Writes a patch, whatever it takes: outcomes are kept until they are stored, and handlers never run again
//! because a write failed.

use super::{
    fault::{Fault, explain, fields},
    kind::Watched,
    object::Object,
    report,
};
use crate::core::{
    body::Body,
    patch::{Draft, Part, Patch, Request, inconsistencies},
};
use kube::api::{Patch as Merge, PatchParams};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{sleep, timeout};

/// The longest time for one request.
const REQUEST: Duration = Duration::from_secs(30);

/// The delays between tries of one request; the last one stays.
const DELAYS: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// There is no such object any more: gone, or another one of that name.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

/// Why a patch isn't written.
#[derive(Debug)]
pub enum Unwritten {
    /// There is no such object any more.
    Gone,
    /// The API server doesn't take what we keep on the object.
    Refused {
        /// The object as it is.
        newest: Body,
        /// What the API server says.
        why: String,
        /// It would take less of it.
        too_large: bool,
    },
}

impl From<Gone> for Unwritten {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl Watched {
    /// Writes what a patch would change, and returns the object as it is then.
    ///
    /// Waits for an API server that is away or busy, however long it takes: the caller ends the wait when
    /// the operator is told to stop.
    pub(super) async fn apply(&self, mut body: Body, mut patch: Patch) -> Result<Body, Unwritten> {
        let mut parts = VecDeque::from(patch.order());
        let mut draft = self.draft(&patch, &body);
        while let Some(part) = parts.pop_front() {
            let mut tries = 0;
            while let Some(request) = draft.request(part, &body, self.has_status_subresource()) {
                match self.send(&body, &request).await {
                    Ok(object) => {
                        body = object.into_body();
                        report::inconsistencies(&inconsistencies(&request.patch, &body));
                        break;
                    }
                    Err(error) => {
                        (body, patch) = self.mend(body, patch, &draft, part, &error).await?;
                        if Fault::of(&error) != Fault::Passing {
                            draft = self.draft(&patch, &body);
                        }
                        if Fault::of(&error) == Fault::Passing {
                            report::write_failed(&explain(&error), DELAYS[tries]);
                        }
                        sleep(DELAYS[tries]).await;
                        tries = (tries + 1).min(DELAYS.len() - 1);
                    }
                }
            }
            if part == Part::Status && parts.is_empty() && !self.has_status_subresource() {
                // There was one before: it is to be written with the object now.
                parts.push_back(Part::Object);
            }
        }
        draft.faults().iter().for_each(|fault| report::addition_left_out(fault));
        Ok(body)
    }

    /// What a patch comes to for an object as it is now.
    pub(super) fn draft(&self, patch: &Patch, body: &Body) -> Draft {
        patch.draft(body, &self.setup().storage)
    }

    async fn send(&self, body: &Body, request: &Request) -> kube::Result<Object> {
        let (api, params) = (self.api_of(body), PatchParams::default());
        let merge = Merge::Merge(&request.patch);
        let answer = async {
            match request.part {
                Part::Status => api.patch_status(body.name(), &params, &merge).await,
                Part::Object => api.patch(body.name(), &params, &merge).await,
            }
        };
        timeout(REQUEST, answer).await.unwrap_or_else(|_| Err(too_slow()))
    }

    /// What is to be written, and to what, after a request has failed.
    async fn mend(
        &self,
        body: Body,
        patch: Patch,
        draft: &Draft,
        part: Part,
        error: &kube::Error,
    ) -> Result<(Body, Patch), Unwritten> {
        let fault = Fault::of(error);
        if fault == Fault::Passing {
            return Ok((body, patch));
        }
        let newest = self.read(&body).await?;
        match (fault, part) {
            // The object is there: it is the subresource that is not.
            (Fault::Missing, Part::Status) => {
                self.set_status_subresource(false);
                Ok((newest, patch))
            }
            (Fault::Refused, _) if self.is_to_blame(draft, part, error) => {
                if part == Part::Status {
                    report::status_refused(&explain(error));
                    return Ok((newest, patch.without_status()));
                }
                report::additions_refused(&explain(error));
                Ok((newest, patch.without_additions()))
            }
            (Fault::Refused | Fault::TooLarge, _) => {
                Err(Unwritten::Refused { newest, why: explain(error), too_large: fault == Fault::TooLarge })
            }
            _ => Ok((newest, patch)),
        }
    }

    /// Whether it is what handlers have asked for that the API server refuses, as far as can be told.
    fn is_to_blame(&self, draft: &Draft, part: Part, error: &kube::Error) -> bool {
        draft.adds_to(part, self.has_status_subresource()) && !draft.keeps_alone(fields(error))
    }

    /// The object as it is now; waits for an API server that is away.
    pub(super) async fn read(&self, body: &Body) -> Result<Body, Gone> {
        let mut tries = 0;
        loop {
            let api = self.api_of(body);
            let answer = timeout(REQUEST, api.get(body.name())).await.unwrap_or_else(|_| Err(too_slow()));
            match answer {
                Ok(object) if object.body().uid() == body.uid() => return Ok(self.body(object)),
                Ok(_) => return Err(Gone),
                Err(error) if Fault::of(&error) == Fault::Missing => return Err(Gone),
                Err(error) => {
                    report::read_failed(&explain(&error), DELAYS[tries]);
                    sleep(DELAYS[tries]).await;
                    tries = (tries + 1).min(DELAYS.len() - 1);
                }
            }
        }
    }
}

fn too_slow() -> kube::Error {
    let message = format!("no answer within {} seconds", REQUEST.as_secs());
    kube::Error::Service(message.into())
}
