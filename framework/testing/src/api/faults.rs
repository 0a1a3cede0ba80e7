//! Faults between a client and the server, chosen by a test or at random.

use super::{log::Request, watch::WatchEvent};
use std::{ops::Range, time::Duration};

/// Decides on faults, before each request and before each event of a watch.
pub trait Faults: Send {
    /// The delivery of a request.
    fn request(&mut self, request: &Request) -> Delivery {
        let _ = request;
        Delivery::pass()
    }

    /// The delivery of an event of a watch.
    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        let _ = event;
        EventDelivery::Pass
    }
}

/// No faults.
impl Faults for () {}

/// The delivery of a request, and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The time to reach the server.
    pub there: Duration,
    /// The time of the answer.
    pub back: Duration,
    /// The fault, and its moment.
    pub fault: Option<(Moment, Fault)>,
}

/// The moment of a fault: before the request takes effect, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request has no effect.
    Before,
    /// The request takes effect, but the answer is lost.
    After,
}

/// The fault that the client meets instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server rejects the request with this status code: 404, 409, 410, 422, 429, 500, 503, 504.
    Rejected(u16),
    /// The server rejects the request with this status code and message, and no reason: an admission webhook that denies it,
    /// or something that the server has no word for.
    Says(u16, &'static str),
    /// The connection breaks.
    Reset,
    /// No answer comes: the client times out after 90 s, as the operator's own client does, or earlier.
    Silence,
}

impl Delivery {
    /// No fault.
    pub fn pass() -> Self {
        Self::default()
    }

    /// A fault that keeps the request from taking effect.
    pub fn before(fault: Fault) -> Self {
        Self { fault: Some((Moment::Before, fault)), ..Self::default() }
    }

    /// A fault that keeps the answer from the client.
    pub fn after(fault: Fault) -> Self {
        Self { fault: Some((Moment::After, fault)), ..Self::default() }
    }

    /// The same, with these delays.
    #[must_use]
    pub fn taking(self, there: Duration, back: Duration) -> Self {
        Self { there, back, ..self }
    }

    pub(super) fn fault_at(&self, moment: Moment) -> Option<Fault> {
        self.fault.filter(|(when, _)| *when == moment).map(|(_, fault)| fault)
    }
}

/// The delivery of an event of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventDelivery {
    /// It is delivered.
    #[default]
    Pass,
    /// It is delayed, and so are all that follow.
    Delay(Duration),
    /// It is delivered twice.
    Duplicate,
    /// It is delivered after the next one, but before a deletion; if there is none, after a second.
    ///
    /// No real server does that to events of one object.
    Hold,
    /// It is lost.
    ///
    /// No real server does that: the client can't find out.
    Lose,
    /// The connection breaks instead; a client that asks again gets it.
    Break,
    /// The watch ends regularly instead.
    End,
    /// The server has forgotten the version of the watch: an ERROR with 410, and the watch ends.
    Expire,
}

/// Random faults, the same for the same seed.
///
/// Only faults of real servers and networks: no event of a watch is lost, and none overtakes another.
#[derive(Clone, Debug)]
pub struct Chaos {
    chance: fastrand::Rng,
    /// The share of requests with a fault, from 0 to 1.
    pub requests: f64,
    /// The share of events with a fault, from 0 to 1.
    pub events: f64,
    /// The latency of requests, answers and events, in milliseconds.
    pub latency: Range<u64>,
}

impl Chaos {
    /// A fault in every tenth request and every twentieth event, with latencies of up to 50 ms.
    pub fn seeded(seed: u64) -> Self {
        Self { chance: fastrand::Rng::with_seed(seed), requests: 0.1, events: 0.05, latency: 0..50 }
    }

    fn latency(&mut self) -> Duration {
        let range = self.latency.clone();
        Duration::from_millis(if range.is_empty() { range.start } else { self.chance.u64(range) })
    }

    fn fault(&mut self, write: bool) -> (Moment, Fault) {
        let codes: &[u16] = if write { &[409, 429, 500, 503, 504] } else { &[429, 500, 503, 504] };
        let code = self.chance.choice(codes.iter().copied()).unwrap_or(500);
        let fault = match self.chance.u8(0..8) {
            0..5 => Fault::Rejected(code),
            5..7 => Fault::Reset,
            _ => Fault::Silence,
        };
        // With these codes, the server has changed nothing.
        let after = !matches!(fault, Fault::Rejected(409 | 429 | 503)) && self.chance.bool();
        (if after { Moment::After } else { Moment::Before }, fault)
    }
}

impl Faults for Chaos {
    fn request(&mut self, request: &Request) -> Delivery {
        let fault = self.chance.f64() < self.requests;
        Delivery {
            there: self.latency(),
            back: self.latency(),
            fault: fault.then(|| self.fault(request.is_write())),
        }
    }

    fn event(&mut self, _: &WatchEvent) -> EventDelivery {
        if self.chance.f64() >= self.events {
            return EventDelivery::Delay(self.latency());
        }
        match self.chance.u8(0..6) {
            0 => EventDelivery::Duplicate,
            1 | 2 => EventDelivery::Break,
            3 => EventDelivery::End,
            4 => EventDelivery::Expire,
            _ => EventDelivery::Delay(self.latency() * 20),
        }
    }
}
