//! One run: a world, a story, an end, and what is to be said of it.

use crate::{
    faults::{Storm, deaths},
    history::{History, Index, Violation, Written},
    invariants,
    play::operator,
    record::{Moment, Record},
    story::Story,
    tally::{Counter, Tally},
    thing::Thing,
    world::World,
};
use jiff::Timestamp;
use korf_testing::{Cluster, Line, api::Exchange};
use kube::core::ApiResource;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Longer than any delay is: who has done nothing for so long has nothing to do.
const LONGEST: Duration = Duration::from_secs(700);
/// After the story and the last fault, all has to be done within so many times as long.
const SETTLING: usize = 6;
/// Then nothing happens for this time, for which every fourth run waits.
const QUIET: Duration = Duration::from_secs(3_600);

/// What came of a run.
pub struct Outcome {
    pub history: History,
    pub lines: Vec<Line>,
    pub exchanges: Vec<Exchange>,
    pub steps: Vec<(Timestamp, String)>,
    pub tally: Tally,
}

/// Runs what a seed stands for.
pub fn run(seed: u64) -> Outcome {
    let mut chance = fastrand::Rng::with_seed(seed);
    let world = World::drawn(&mut chance);
    let (record, counter) = (Record::default(), Counter::default());
    let mut cluster = cluster(&world, &record);
    record.follow(cluster.server());
    cluster.set_faults(Storm::new(chance.u64(..), &world.weather, &record, &counter));
    cluster.die_where(deaths(chance.u64(..), &world.weather, &record, &counter));
    Story::new(&mut cluster, &record, &counter, &mut chance).tell();

    let since = end(&mut cluster, &record);
    // For time's sake, not in each run.
    if seed.is_multiple_of(4) {
        cluster.advance(QUIET.saturating_sub(LONGEST));
    }
    Outcome::of(world, &cluster, &record, &counter, since)
}

/// Ends all trouble and waits until nothing is done any more; says since when.
fn end(cluster: &mut Cluster, record: &Record) -> (Moment, Timestamp) {
    cluster.set_faults(());
    cluster.die_where(|_| false);
    // Whoever has missed an event learns of it by the next listing.
    cluster.server().expire();
    let done = |cluster: &Cluster| (record.calls().len(), cluster.writes().len());
    let mut since = (record.moment(), cluster.now());
    for _ in 0..SETTLING {
        let before = done(cluster);
        since = (record.moment(), cluster.now());
        cluster.advance(LONGEST);
        if done(cluster) == before {
            break;
        }
    }
    since
}

fn cluster(world: &World, record: &Record) -> Cluster {
    let (world, record) = (world.clone(), record.clone());
    let make = move || {
        record.starts();
        operator(&world, &record)
    };
    Cluster::of(make).expect("the handlers fit together")
}

/// Whether it says that something broke inside of the framework; a server that is away is no such thing.
fn tells_of_breakdown(line: &Line) -> bool {
    let throttled = line.message.starts_with("Throttling for");
    let why = ["it panicked", "comes to no rest"];
    line.message.starts_with("A worker has ended")
        || (throttled && why.iter().any(|words| line.message.contains(words)))
}

fn writes(exchanges: &[Exchange], quiet_since: Timestamp) -> Vec<Written> {
    let of = |exchange: &Exchange| Written {
        request: exchange.request.clone(),
        ours: exchange.request.who == "operator",
        effect: exchange.effect.clone(),
        late: exchange.at >= quiet_since,
    };
    let mut writes: Vec<_> =
        exchanges.iter().filter(|exchange| exchange.request.is_write()).map(of).collect();
    // The log is in the order of the sending.
    writes.sort_by_key(|write| write.effect.as_ref().map(|effect| effect.revision));
    writes
}

fn tally(counter: &Counter, history: &History) -> Tally {
    let mut tally = counter.tally();
    for call in &history.calls {
        let reason = call.reason.map_or("event".to_owned(), |reason| reason.to_string());
        tally.count(format!("call: {reason}"));
        tally.count(format!("ending: {:?}", call.ending));
    }
    tally.add("breakdowns", history.breakdowns.len() as u64);
    tally.add("lives", history.lives.len() as u64);
    tally.add("writes", history.writes.iter().filter(|write| write.ours).count() as u64);
    tally
}

impl Outcome {
    fn of(
        world: World,
        cluster: &Cluster,
        record: &Record,
        counter: &Counter,
        (quiet, since): (Moment, Timestamp),
    ) -> Self {
        let (exchanges, lines) = (cluster.server().exchanges(), cluster.lines());
        let history = History {
            world,
            writes: writes(&exchanges, since),
            refused: record.refused(),
            calls: record.calls(),
            lives: record.lives(),
            objects: cluster.server().objects(&ApiResource::erase::<Thing>(&())),
            quiet,
            breakdowns: lines.iter().filter(|line| tells_of_breakdown(line)).map(Line::to_string).collect(),
            index: Index::default(),
        };
        let tally = tally(counter, &history);
        Self { history, lines, exchanges, steps: record.steps(), tally }
    }

    /// What doesn't hold.
    pub fn violations(&self) -> Vec<Violation> {
        invariants::check(&self.history)
    }

    /// A number for all that was asked, answered and logged: another one for another run.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for exchange in &self.exchanges {
            (exchange.at.as_nanosecond(), exchange.request.to_string(), exchange.code).hash(&mut hasher);
        }
        for line in &self.lines {
            line.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }
}
