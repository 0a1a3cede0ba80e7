//! Faults by chance, the same ones for the same seed.

use super::{
    fault::{Fate, Faults, Moment, Passage, Trouble},
    log::Request,
    watching::WatchEvent,
};
use std::{ops::Range, time::Duration};

/// Faults by chance: whoever gives the same seed gets the same faults.
///
/// It does only what a real server and a real network do: no event of a watch is lost, and none overtakes another.
#[derive(Clone, Debug)]
pub struct Chaos {
    chance: fastrand::Rng,
    /// The part of the requests that meet trouble, from 0 to 1.
    pub requests: f64,
    /// The part of the events that meet trouble, from 0 to 1.
    pub events: f64,
    /// How long requests, answers and events take, in milliseconds.
    pub latency: Range<u64>,
}

impl Chaos {
    /// Trouble for every tenth request and every twentieth event, with latencies of up to 50 ms.
    pub fn seeded(seed: u64) -> Self {
        Self { chance: fastrand::Rng::with_seed(seed), requests: 0.1, events: 0.05, latency: 0..50 }
    }

    fn latency(&mut self) -> Duration {
        let range = self.latency.clone();
        Duration::from_millis(if range.is_empty() { range.start } else { self.chance.u64(range) })
    }

    fn trouble(&mut self, write: bool) -> (Moment, Trouble) {
        let codes: &[u16] = if write { &[409, 429, 500, 503, 504] } else { &[429, 500, 503, 504] };
        let code = self.chance.choice(codes.iter().copied()).unwrap_or(500);
        let trouble = match self.chance.u8(0..8) {
            0..5 => Trouble::Refused(code),
            5..7 => Trouble::Reset,
            _ => Trouble::Silence,
        };
        // A conflict or a busy server means that nothing was done.
        let after = !matches!(trouble, Trouble::Refused(409 | 429 | 503)) && self.chance.bool();
        (if after { Moment::After } else { Moment::Before }, trouble)
    }
}

impl Faults for Chaos {
    fn request(&mut self, request: &Request) -> Fate {
        let trouble = self.chance.f64() < self.requests;
        Fate {
            there: self.latency(),
            back: self.latency(),
            trouble: trouble.then(|| self.trouble(request.is_write())),
        }
    }

    fn event(&mut self, _: &WatchEvent) -> Passage {
        if self.chance.f64() >= self.events {
            return Passage::Delay(self.latency());
        }
        match self.chance.u8(0..6) {
            0 => Passage::Duplicate,
            1 | 2 => Passage::Break,
            3 => Passage::End,
            4 => Passage::Expire,
            _ => Passage::Delay(self.latency() * 20),
        }
    }
}
