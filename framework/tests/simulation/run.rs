//! One run: a world, a story, an end, and the outcome.

use crate::{
    bell::Bell,
    catalog::Catalog,
    crowd::{Crowd, Office},
    daemon::Companion,
    faults::{Storm, deaths},
    focus::Focus,
    history::{History, Index, Violation, Written},
    invariants,
    play::operator,
    record::{Moment, Record},
    story::Story,
    tally::{Counter, Tally},
    thing::Thing,
    timer::Clockwork,
    user::{Users, is_operator},
    world::{World, globs},
};
use jiff::Timestamp;
use korf_testing::{Cluster, Line, api::Exchange};
use kube::core::ApiResource;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Longer than any delay: an operator that has done nothing for so long has nothing to do.
const LONGEST: Duration = Duration::from_secs(700);
/// The number of these times within which all work has to be done after the story and the last fault.
const SETTLING: usize = 6;
/// The time for which every fourth run then waits, and nothing may happen.
const QUIET: Duration = Duration::from_secs(3_600);

/// The outcome of a run.
pub struct Outcome {
    pub history: History,
    pub lines: Vec<Line>,
    pub exchanges: Vec<Exchange>,
    pub steps: Vec<(Timestamp, String)>,
    pub tally: Tally,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    let mut chance = fastrand::Rng::with_seed(seed);
    let focus = Focus::of(seed);
    let own = World::drawn(focus, &mut chance);
    let (timer, daemon, catalog) = (Clockwork::of(seed), Companion::of(seed), Catalog::of(seed));
    let bell = Bell::of(seed, &own.roles);
    let world = World { timer, daemon, catalog, bell, globs: globs(seed), ..own };
    let (record, counter) = (Record::default(), Counter::default());
    let users = Users::new(&counter);
    let mut cluster = cluster(&world, &record, &users);
    record.follow(cluster.server());
    users.use_server(cluster.server(), world.status_subresource, chance.u64(..), focus.meddling());
    cluster.set_faults(Storm::new(chance.u64(..), &world.weather, &record, &counter, &users));
    cluster.crash_where(deaths(chance.u64(..), &world.weather, &record, &counter));
    let (plot, running) = (focus.plot(), true);
    let story = Story {
        cluster: &mut cluster,
        record: &record,
        counter: &counter,
        users: &users,
        chance: &mut chance,
        plot,
        running,
    };
    story.tell();

    users.stop_meddling();
    let since = end(&mut cluster, &record);
    // To save time, not in every run.
    if seed.is_multiple_of(4) {
        cluster.advance(QUIET.saturating_sub(LONGEST));
    }
    Outcome::of(world, &cluster, &record, &counter, since)
}

/// Runs a seed with replicas, if it has them.
pub fn run_crowd(seed: u64) -> Option<Outcome> {
    let crowd = Crowd::of(seed)?;
    let mut chance = fastrand::Rng::with_seed(seed);
    let focus = Focus::of(seed);
    let own = World::drawn(focus, &mut chance);
    let world = World { timer: Clockwork::of(seed), daemon: Companion::of(seed), ..own };
    let (record, counter) = (Record::default(), Counter::default());
    let users = Users::new(&counter);
    let office = Office::new(&crowd, seed, &record, &counter);
    record.ask(&office);
    let replica = {
        let (world, record, users) = (world.clone(), record.clone(), users.clone());
        move |seat, holdings| operator(&world, &record.of(seat), &users).held_by(holdings)
    };
    let (first, enlisting, starting) = (replica.clone(), office.clone(), record.clone());
    let make = move || {
        starting.starts();
        let (seat, holdings) = enlisting.enlist("operator");
        first(seat, holdings)
    };
    let mut cluster = Cluster::of(make).expect("the handlers fit together");
    record.follow(cluster.server());
    users.use_server(cluster.server(), world.status_subresource, chance.u64(..), focus.meddling());
    cluster.set_faults(Storm::new(chance.u64(..), &world.weather, &record, &counter, &users));
    cluster.crash_where(deaths(chance.u64(..), &world.weather, &record, &counter));
    let (server, opening) = (cluster.server().clone(), office.clone());
    cluster.run(async move { drop(tokio::spawn(opening.open(server, replica))) });
    let (plot, running) = (focus.plot(), true);
    let story = Story {
        cluster: &mut cluster,
        record: &record,
        counter: &counter,
        users: &users,
        chance: &mut chance,
        plot,
        running,
    };
    story.tell();

    users.stop_meddling();
    office.calms();
    let since = end(&mut cluster, &record);
    let mut outcome = Outcome::of(world, &cluster, &record, &counter, since);
    record.ask_nobody();
    outcome.history.crowd = Some(office.close());
    Some(outcome)
}

/// Ends all faults and waits until the operator is idle; returns the moment from which on it was.
fn end(cluster: &mut Cluster, record: &Record) -> (Moment, Timestamp) {
    cluster.set_faults(());
    cluster.crash_where(|_| false);
    // A lost event is made up for by the next listing.
    cluster.server().expire();
    let is_ours = |exchange: &Exchange| is_operator(&exchange.request.client) && exchange.request.is_write();
    let writes = |cluster: &Cluster| cluster.server().exchanges().into_iter().filter(is_ours).count();
    let done = |cluster: &Cluster| (record.calls().len(), writes(cluster));
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

fn cluster(world: &World, record: &Record, users: &Users) -> Cluster {
    let (world, record, users) = (world.clone(), record.clone(), users.clone());
    let make = move || {
        record.starts();
        operator(&world, &record, &users)
    };
    Cluster::of(make).expect("the handlers fit together")
}

/// Whether the line is about a failure inside the framework; an unreachable server is none.
fn tells_of_breakdown(line: &Line) -> bool {
    let throttled = line.message.starts_with("Throttling for");
    let why = ["it panicked", "comes to no rest"];
    line.message.starts_with("A worker has ended")
        || (throttled && why.iter().any(|words| line.message.contains(words)))
}

fn writes(exchanges: &[Exchange], quiet_since: Timestamp) -> Vec<Written> {
    let of = |exchange: &Exchange| Written {
        at: exchange.at,
        request: exchange.request.clone(),
        ours: is_operator(&exchange.request.client),
        effect: exchange.effect.clone(),
        conflicts: exchange.code == Some(409) && exchange.answered,
        late: exchange.at >= quiet_since,
    };
    // Events are posted about objects, and change none.
    let of_object = |exchange: &&Exchange| {
        exchange.request.is_write() && !exchange.request.path.starts_with("/apis/events.k8s.io/")
    };
    let mut writes: Vec<_> = exchanges.iter().filter(of_object).map(of).collect();
    // The log is in the order in which they were sent.
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
    tally.add("call: timer", history.ticks.len() as u64);
    tally.add("call: daemon", history.runs.len() as u64);
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
            rejected: record.rejected(),
            calls: record.calls(),
            lives: record.lives(),
            crowd: None,
            ticks: record.ticks(),
            rungs: record.rungs(),
            shown: record.shown(),
            runs: record.runs(),
            end: cluster.now(),
            objects: cluster.server().objects(&ApiResource::erase::<Thing>(&())),
            quiet,
            breakdowns: lines.iter().filter(|line| tells_of_breakdown(line)).map(Line::to_string).collect(),
            index: Index::default(),
        };
        let tally = tally(counter, &history);
        Self { history, lines, exchanges, steps: record.steps(), tally }
    }

    /// The broken invariants.
    pub fn violations(&self) -> Vec<Violation> {
        invariants::check(&self.history)
    }

    /// A digest of all requests, answers and log lines: different runs have different ones.
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
