//! Single requests for an object: how long they may take, and when they are sent again.

use super::{
    fault::{Fault, explain},
    kind::Watched,
    object::Object,
    report,
    rights::{Action, Right},
};
use crate::core::{
    body::Body,
    patch::{Part, Request},
};
use kube::api::{Patch, PatchParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

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

/// After so long, the next try is left to another turn of the object: its worker is needed for others.
const LIMIT: Duration = Duration::from_secs(30);

/// The same for an object whose requests have failed for that long in an earlier turn.
const HURRIED: Duration = Duration::from_secs(5);

/// After so many tries, a missing right isn't waited for any longer: 3.7 seconds. One that was granted just now may take a
/// moment to be known everywhere.
const DENIED: usize = 4;

/// The same for a right that is known to be missing, 0.7 seconds: each object would wait for it anew.
const DENIED_AGAIN: usize = 2;

/// What is known of an object's requests from its last turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Good,
    /// They failed until they were given up. Now they are tried once, so that an object whose requests fail for ever doesn't
    /// take a worker from others.
    Troubled,
}

impl Standing {
    /// That of an object that the framework has broken down over so often in a row: most often it could not be read.
    pub fn after(errors: usize) -> Self {
        if errors > 0 { Self::Troubled } else { Self::Good }
    }

    /// How long a fault is waited for.
    fn limit(self, fault: Fault) -> Duration {
        match (self, fault) {
            (Self::Good, _) => LIMIT,
            (Self::Troubled, Fault::Passing) => Duration::ZERO,
            // Something else may be the matter by now: others have changed the object, say.
            (Self::Troubled, _) => HURRIED,
        }
    }
}

/// How long all requests of one write or look may be repeated.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    begun: Instant,
    standing: Standing,
}

impl From<Standing> for Budget {
    fn from(standing: Standing) -> Self {
        Self { begun: Instant::now(), standing }
    }
}

/// How long one request is repeated.
#[derive(Debug)]
pub struct Patience {
    budget: Budget,
    tries: usize,
    denied: usize,
}

impl Patience {
    /// The delay before the next try.
    pub fn delay(&self) -> Duration {
        DELAYS[self.tries.min(DELAYS.len() - 1)]
    }

    /// Waits for the next try.
    pub async fn wait(&mut self) {
        sleep(self.delay()).await;
        self.tries += 1;
    }

    /// Whether a fault that may pass was waited for long enough.
    pub fn is_spent(&self, fault: Fault) -> bool {
        self.budget.begun.elapsed() + self.delay() > self.budget.standing.limit(fault)
    }

    /// Whether a missing right was waited for long enough.
    pub fn is_over(&self) -> bool {
        self.tries >= self.denied
    }
}

/// Why an object isn't read.
#[derive(Debug)]
pub enum Unread {
    /// There is no such object any more: gone, or another one of that name.
    Gone,
    /// The operator may not read it, or the API server was away for too long: what it says, and what that means.
    Failed(String, Fault),
}

impl Watched {
    /// Patience with a request, and less with a right that is known to be missing.
    pub(super) fn patience(&self, action: Action, budget: Budget) -> Patience {
        let denied = match self.rights.known(action) {
            Right::There => DENIED,
            Right::Missing => DENIED_AGAIN,
        };
        Patience { budget, tries: 0, denied }
    }

    /// Whether a fault is no longer waited for now. While the operator stops, there is no later.
    pub(super) fn gives_up(&self, fault: Fault, patience: &Patience) -> bool {
        fault.may_pass() && patience.is_spent(fault) && !self.stopping.is_cancelled()
    }

    /// Sends a patch, once.
    pub(super) async fn send(&self, body: &Body, request: &Request) -> kube::Result<Object> {
        let (api, params) = (self.api_of(body), PatchParams::default());
        let merge = Patch::Merge(&request.patch);
        let answer = async {
            match request.part {
                Part::Status => api.patch_status(body.name(), &params, &merge).await,
                Part::Object => api.patch(body.name(), &params, &merge).await,
            }
        };
        let answer = timeout(REQUEST, answer).await.unwrap_or_else(|_| Err(too_slow()));
        self.take_note(Action::Write(request.part), &answer);
        answer
    }

    fn take_note(&self, action: Action, answer: &kube::Result<Object>) {
        if answer.is_ok() {
            self.rights.note(action, Right::There);
        }
    }

    /// The object as it is now; waits a while for an API server that is away.
    pub(super) async fn read(&self, body: &Body, budget: impl Into<Budget>) -> Result<Body, Unread> {
        let mut patience = self.patience(Action::Read, budget.into());
        loop {
            let api = self.api_of(body);
            let answer = timeout(REQUEST, api.get(body.name())).await.unwrap_or_else(|_| Err(too_slow()));
            self.take_note(Action::Read, &answer);
            let error = match answer {
                Ok(object) if object.body().uid() == body.uid() => return Ok(self.body(object)),
                Ok(_) => return Err(Unread::Gone),
                Err(error) => error,
            };
            match Fault::of(&error) {
                Fault::Missing => return Err(Unread::Gone),
                Fault::Denied if patience.is_over() => {
                    self.rights.note(Action::Read, Right::Missing);
                    return Err(Unread::Failed(explain(&error), Fault::Denied));
                }
                Fault::Denied => {}
                // Whatever it says to a GET may be otherwise in a moment.
                fault if self.gives_up(Fault::Passing, &patience) => {
                    return Err(Unread::Failed(explain(&error), fault));
                }
                _ => report::read_failed(&explain(&error), patience.delay()),
            }
            patience.wait().await;
        }
    }
}

fn too_slow() -> kube::Error {
    let message = format!("no answer within {} seconds", REQUEST.as_secs());
    kube::Error::Service(message.into())
}
