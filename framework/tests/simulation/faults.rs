//! Faults between the operator and the API server, and the places where the operator dies.

use crate::{
    record::{Death, Record},
    tally::Counter,
    user::{Instant, Users},
    world::Weather,
};
use korf_testing::{
    api::{Delivery, EventDelivery, Fault, Faults, Moment, Request, WatchEvent},
    crash::{CrashPoint, CrashSite},
};
use std::time::Duration;
use tokio::time::Instant as Time;

const OF_READS: [u16; 6] = [410, 422, 429, 500, 503, 504];
const OF_WRITES: [u16; 7] = [409, 410, 422, 429, 500, 503, 504];
/// The codes of an outage, in which the server takes no write. 413: everything is too large.
const OF_OUTAGES: [u16; 6] = [403, 409, 413, 422, 500, 503];

/// Random faults of a network and a server worse than any real one: watch events get lost and overtake others. The
/// events of a listing don't: the server would report objects as missing that are there.
pub struct Storm {
    chance: fastrand::Rng,
    weather: Weather,
    record: Record,
    counter: Counter,
    users: Users,
    /// The code with which all writes fail, and the end of that.
    outage: Option<(u16, Time)>,
}

impl Storm {
    pub fn new(seed: u64, weather: &Weather, record: &Record, counter: &Counter, users: &Users) -> Self {
        Self {
            chance: fastrand::Rng::with_seed(seed),
            weather: weather.clone(),
            record: record.clone(),
            counter: counter.clone(),
            users: users.clone(),
            outage: None,
        }
    }

    /// What the current outage, if there is one, does to a write. One with 500 or 503 often begins with a write that the
    /// server takes and doesn't answer.
    fn outage(&mut self) -> Option<(Moment, Fault)> {
        let now = Time::now();
        self.outage = self.outage.filter(|(_, until)| now < *until);
        let begins =
            self.outage.is_none() && self.weather.outages > 0.0 && self.chance.f64() < self.weather.outages;
        if begins {
            let code = OF_OUTAGES[self.chance.usize(..OF_OUTAGES.len())];
            self.outage = Some((code, now + Duration::from_secs(self.chance.u64(1..90))));
            self.counter.count(format!("outage: {code}"));
        }
        let (code, _) = self.outage?;
        if begins && matches!(code, 500 | 503) && self.chance.bool() {
            self.counter.count("outage: begins with a lost answer");
            return Some((Moment::After, Fault::Reset));
        }
        Some((Moment::Before, Fault::Rejected(code)))
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.chance.u64(self.weather.latency.clone()))
    }

    fn lag(&mut self) -> Duration {
        Duration::from_millis(self.chance.u64(self.weather.lag.clone()))
    }

    fn trouble(&mut self, codes: &[u16]) -> (Moment, Fault) {
        let trouble = match self.chance.u8(..8) {
            0..5 => Fault::Rejected(codes[self.chance.usize(..codes.len())]),
            5 | 6 => Fault::Reset,
            _ => Fault::Silence,
        };
        // With these codes, the server has changed nothing.
        let unchanged = matches!(trouble, Fault::Rejected(409 | 410 | 422 | 429 | 503));
        let moment = if !unchanged && self.chance.bool() { Moment::After } else { Moment::Before };
        (moment, trouble)
    }

    fn passage(&mut self, event: &WatchEvent) -> EventDelivery {
        let change = !event.listed && matches!(event.what, "MODIFIED" | "DELETED");
        match self.chance.u8(..8) {
            0 => EventDelivery::Duplicate,
            1 => EventDelivery::Break,
            2 => EventDelivery::End,
            3 => EventDelivery::Expire,
            4 | 5 if change && event.what == "MODIFIED" => EventDelivery::Hold,
            6 if change => EventDelivery::Lose,
            _ => EventDelivery::Delay((self.latency() + self.lag()) * 5),
        }
    }
}

impl Faults for Storm {
    fn request(&mut self, request: &Request) -> Delivery {
        self.record.sends(request);
        if let Some(name) = Users::object_of(request) {
            self.users.meddle(Instant::BeforeWrite, name);
        }
        let met = self.chance.f64() < self.weather.requests;
        let codes = if request.is_write() { &OF_WRITES[..] } else { &OF_READS[..] };
        let mut trouble = met.then(|| self.trouble(codes));
        if let Some((moment, trouble)) = trouble {
            self.counter.count(format!("request: {}", named(moment, trouble)));
        }
        if request.is_write() {
            let outage = self.outage();
            let rejected = self.weather.rejections > 0.0 && self.chance.f64() < self.weather.rejections;
            if rejected {
                self.counter.count("request: rejected");
            }
            let rejected = rejected.then_some((Moment::Before, Fault::Rejected(422)));
            trouble = outage.or(rejected).or(trouble);
        }
        if let Some((_, Fault::Rejected(code @ (413 | 422)))) = trouble
            && request.is_write()
        {
            self.record.rejects(request, code == 413);
        }
        Delivery { there: self.latency(), back: self.latency(), fault: trouble }
    }

    fn event(&mut self, event: &WatchEvent) -> EventDelivery {
        if self.chance.f64() >= self.weather.events {
            return EventDelivery::Delay(self.latency() + self.lag());
        }
        let passage = self.passage(event);
        self.counter.count(match passage {
            EventDelivery::Pass | EventDelivery::Delay(_) => "event: delay",
            EventDelivery::Duplicate => "event: duplicate",
            EventDelivery::Hold => "event: hold",
            EventDelivery::Lose => "event: lose",
            EventDelivery::Break => "event: break",
            EventDelivery::End => "event: end",
            EventDelivery::Expire => "event: expire",
        });
        passage
    }
}

fn named(moment: Moment, trouble: Fault) -> String {
    let when = if moment == Moment::Before { "before" } else { "after" };
    match trouble {
        Fault::Rejected(code @ (409 | 410 | 422 | 429 | 503)) => code.to_string(),
        Fault::Rejected(code) | Fault::Says(code, _) => format!("{code} {when}"),
        Fault::Reset => format!("reset {when}"),
        Fault::Silence => format!("silence {when}"),
    }
}

/// Decides at each place whether the operator dies there.
pub fn deaths(
    seed: u64,
    weather: &Weather,
    record: &Record,
    counter: &Counter,
) -> impl FnMut(&CrashPoint) -> bool + Send + use<> {
    let (mut chance, weather) = (fastrand::Rng::with_seed(seed), weather.clone());
    let (record, counter, mut left) = (record.clone(), counter.clone(), weather.most_deaths);
    move |point| {
        let odds = match point.site {
            CrashSite::Await(_) | CrashSite::Returned => weather.deaths,
            CrashSite::Before(_) | CrashSite::After(_) => weather.deaths_at_writes,
        };
        let dies = left > 0 && chance.f64() < odds;
        if dies {
            left -= 1;
            record.ends(Death::Killed);
            counter.count(match point.site {
                CrashSite::Await(_) => "death: at an await",
                CrashSite::Returned => "death: after a return",
                CrashSite::Before(_) => "death: before a write",
                CrashSite::After(_) => "death: after a write",
            });
        }
        dies
    }
}
