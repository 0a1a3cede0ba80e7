//! What can go wrong between a client and the server.

use super::{log::Request, watching::WatchEvent};
use std::time::Duration;

/// Decides what goes wrong. It is asked before each request, and before each event of a watch.
pub trait Faults: Send {
    /// What becomes of a request.
    fn request(&mut self, request: &Request) -> Fate {
        let _ = request;
        Fate::pass()
    }

    /// What becomes of an event of a watch.
    fn event(&mut self, event: &WatchEvent) -> Passage {
        let _ = event;
        Passage::Pass
    }
}

/// Nothing goes wrong.
impl Faults for () {}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// How long it takes to reach the server.
    pub there: Duration,
    /// How long the answer takes.
    pub back: Duration,
    /// What goes wrong, and when.
    pub trouble: Option<(Moment, Trouble)>,
}

/// Whether the server has done what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has not.
    Before,
    /// It has, and the client doesn't learn of it.
    After,
}

/// What the client gets instead of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A refusal with this status code: 409, 410, 422, 429, 500, 503, 504.
    Refused(u16),
    /// A connection that breaks.
    Reset,
    /// Nothing: the client gives up after 90 s, as the operator's own client does; unless it has done so before.
    Silence,
}

impl Fate {
    /// Nothing goes wrong.
    pub fn pass() -> Self {
        Self::default()
    }

    /// Trouble that keeps the request from taking effect.
    pub fn before(trouble: Trouble) -> Self {
        Self { trouble: Some((Moment::Before, trouble)), ..Self::default() }
    }

    /// Trouble that keeps the answer from the client.
    pub fn after(trouble: Trouble) -> Self {
        Self { trouble: Some((Moment::After, trouble)), ..Self::default() }
    }

    /// The same, with these delays.
    #[must_use]
    pub fn taking(self, there: Duration, back: Duration) -> Self {
        Self { there, back, ..self }
    }

    pub(super) fn trouble_at(&self, moment: Moment) -> Option<Trouble> {
        self.trouble.filter(|(when, _)| *when == moment).map(|(_, trouble)| trouble)
    }
}

/// What becomes of an event of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// It is delivered.
    #[default]
    Pass,
    /// It comes later, and all that follow wait for it.
    Delay(Duration),
    /// It comes twice.
    Duplicate,
    /// It comes after the next one, but before a deletion; alone, after a second.
    ///
    /// No real server does that to events of one object.
    Hold,
    /// It doesn't come, and nobody says so.
    ///
    /// No real server does that: the client has no way to find out.
    Lose,
    /// The connection breaks instead; a client that asks again gets it.
    Break,
    /// The watch ends in good order instead.
    End,
    /// The server has forgotten what the watch needs: an ERROR of 410, and the watch ends.
    Expire,
}
