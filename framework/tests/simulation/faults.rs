//! What goes wrong between the operator and the API server, and where the operator dies.

use crate::{
    record::{Death, Record},
    tally::Counter,
    world::Weather,
};
use korf_testing::{
    api::{Fate, Faults, Moment, Passage, Request, Trouble, WatchEvent},
    crash::{Place, Point},
};
use std::time::Duration;

const OF_READS: [u16; 6] = [410, 422, 429, 500, 503, 504];
const OF_WRITES: [u16; 7] = [409, 410, 422, 429, 500, 503, 504];

/// Faults by chance, of a network and a server worse than any real one: events of a watch are lost, too, and overtake
/// others. Those of a listing are not: then the server would say that objects aren't there.
pub struct Storm {
    chance: fastrand::Rng,
    weather: Weather,
    record: Record,
    counter: Counter,
}

impl Storm {
    pub fn new(seed: u64, weather: &Weather, record: &Record, counter: &Counter) -> Self {
        let chance = fastrand::Rng::with_seed(seed);
        Self { chance, weather: weather.clone(), record: record.clone(), counter: counter.clone() }
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.chance.u64(self.weather.latency.clone()))
    }

    fn trouble(&mut self, codes: &[u16]) -> (Moment, Trouble) {
        let trouble = match self.chance.u8(..8) {
            0..5 => Trouble::Refused(codes[self.chance.usize(..codes.len())]),
            5 | 6 => Trouble::Reset,
            _ => Trouble::Silence,
        };
        // These mean that nothing was done.
        let refused = matches!(trouble, Trouble::Refused(409 | 410 | 422 | 429 | 503));
        let moment = if !refused && self.chance.bool() { Moment::After } else { Moment::Before };
        (moment, trouble)
    }

    fn passage(&mut self, event: &WatchEvent) -> Passage {
        let change = !event.listed && matches!(event.what, "MODIFIED" | "DELETED");
        match self.chance.u8(..8) {
            0 => Passage::Duplicate,
            1 => Passage::Break,
            2 => Passage::End,
            3 => Passage::Expire,
            4 | 5 if change && event.what == "MODIFIED" => Passage::Hold,
            6 if change => Passage::Lose,
            _ => Passage::Delay(self.latency() * 5),
        }
    }
}

impl Faults for Storm {
    fn request(&mut self, request: &Request) -> Fate {
        let met = self.chance.f64() < self.weather.requests;
        let codes = if request.is_write() { &OF_WRITES[..] } else { &OF_READS[..] };
        let trouble = met.then(|| self.trouble(codes));
        if let Some((moment, trouble)) = trouble {
            self.counter.count(format!("request: {}", named(moment, trouble)));
            if request.is_write() && trouble == Trouble::Refused(422) {
                self.record.refuses(request);
            }
        }
        Fate { there: self.latency(), back: self.latency(), trouble }
    }

    fn event(&mut self, event: &WatchEvent) -> Passage {
        if self.chance.f64() >= self.weather.events {
            return Passage::Delay(self.latency());
        }
        let passage = self.passage(event);
        self.counter.count(match passage {
            Passage::Pass | Passage::Delay(_) => "event: delay",
            Passage::Duplicate => "event: duplicate",
            Passage::Hold => "event: hold",
            Passage::Lose => "event: lose",
            Passage::Break => "event: break",
            Passage::End => "event: end",
            Passage::Expire => "event: expire",
        });
        passage
    }
}

fn named(moment: Moment, trouble: Trouble) -> String {
    let when = if moment == Moment::Before { "before" } else { "after" };
    match trouble {
        Trouble::Refused(code @ (409 | 410 | 422 | 429 | 503)) => code.to_string(),
        Trouble::Refused(code) => format!("{code} {when}"),
        Trouble::Reset => format!("reset {when}"),
        Trouble::Silence => format!("silence {when}"),
    }
}

/// Says of each place whether the operator dies there.
pub fn deaths(
    seed: u64,
    weather: &Weather,
    record: &Record,
    counter: &Counter,
) -> impl FnMut(&Point) -> bool + Send + use<> {
    let (mut chance, weather) = (fastrand::Rng::with_seed(seed), weather.clone());
    let (record, counter, mut left) = (record.clone(), counter.clone(), weather.most_deaths);
    move |point| {
        let dies = left > 0 && chance.f64() < weather.deaths;
        if dies {
            left -= 1;
            record.ends(Death::Killed);
            counter.count(match point.place {
                Place::Await(_) => "death: at an await",
                Place::Returned => "death: after a return",
                Place::Before(_) => "death: before a write",
                Place::After(_) => "death: after a write",
            });
        }
        dies
    }
}
