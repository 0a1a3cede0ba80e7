//! Office: gives Leases to replicas, renews them, and takes them away, as an election does at its worst.

use super::{Crowd, Crowded, Stray};
use crate::{
    record::{Death, Moment, Record},
    tally::Counter,
};
use korf::{
    __private::{Holdings, Moment as Clock, Shard, Shards},
    Operator,
};
use korf_testing::api::{ApiServer, Request};
use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a Lease is valid for its holder after a renewal, and after which time another one may take it.
const VALID: Duration = Duration::from_secs(10);
const TAKEN: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_secs(1);
/// The time that a shard that is handed over has to drain.
const GRACE: Duration = Duration::from_secs(20);

/// One replica, from its start on.
#[derive(Clone, Debug)]
pub struct Seat {
    pub client: String,
    pub begun: Moment,
}

/// A shard in the hands of a replica.
#[derive(Clone, Debug)]
pub struct Tenure {
    pub seat: usize,
    pub begun: Moment,
    shards: Shards,
    shard: Shard,
}

impl Tenure {
    /// Whether it is about an object.
    pub fn has(&self, uid: &str) -> bool {
        self.shards.of(&uid.into()) == self.shard
    }

    #[cfg(test)]
    pub fn of(seat: usize, begun: Moment) -> Self {
        Self { seat, begun, shards: Shards::default(), shard: Shard(0) }
    }
}

struct Replica {
    holdings: Holdings,
    alive: bool,
    /// It can't renew until then.
    cut_until: Option<Instant>,
    /// None for the one that the cluster runs.
    task: Option<(JoinHandle<()>, CancellationToken)>,
}

/// A Lease.
#[derive(Clone, Copy, Debug)]
struct Lease {
    holder: usize,
    epoch: u64,
    /// Until when it is valid for its holder.
    until: Instant,
    /// When another one may take it.
    free_at: Instant,
    leaving: bool,
}

/// Makes the operator of a replica.
type Make = Arc<dyn Fn(usize, Holdings) -> Operator + Send + Sync>;

struct Desk {
    crowd: Crowd,
    chance: fastrand::Rng,
    replicas: Vec<Replica>,
    leases: Vec<Option<Lease>>,
    /// How often each has changed hands.
    epochs: Vec<u64>,
    known: Crowded,
    /// Nothing happens by chance any more.
    calm: bool,
    server: Option<(ApiServer, Make)>,
}

/// The office; clones share it.
#[derive(Clone)]
pub struct Office {
    desk: Arc<Mutex<Desk>>,
    record: Record,
    counter: Counter,
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").finish_non_exhaustive()
    }
}

impl Office {
    pub fn new(crowd: &Crowd, seed: u64, record: &Record, counter: &Counter) -> Self {
        let shards = usize::from(crowd.shards.number());
        let desk = Desk {
            crowd: crowd.clone(),
            chance: fastrand::Rng::with_seed(seed ^ 0x6f66_6663),
            replicas: Vec::new(),
            leases: vec![None; shards],
            epochs: vec![0; shards],
            known: Crowded::default(),
            calm: false,
            server: None,
        };
        Self { desk: Arc::new(Mutex::new(desk)), record: record.clone(), counter: counter.clone() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A replica starts that sends its requests under this name; returns its number, and its holdings.
    pub fn enlist(&self, client: &str) -> (usize, Holdings) {
        let begun = self.record.moment();
        let mut desk = self.desk();
        let holdings = Holdings::nothing(desk.crowd.shards);
        let replica = Replica { holdings: holdings.clone(), alive: true, cut_until: None, task: None };
        desk.replicas.push(replica);
        desk.known.seats.push(Seat { client: client.to_owned(), begun });
        (desk.replicas.len() - 1, holdings)
    }

    /// The replica of this name ends.
    pub fn dies(&self, client: &str, how: Death) {
        let mut desk = self.desk();
        let Some(seat) = desk.known.seats.iter().rposition(|seat| seat.client == client) else { return };
        desk.dies(seat, how);
    }

    /// Works from now on; starts further replicas of this kind.
    pub async fn open(
        self,
        server: ApiServer,
        make: impl Fn(usize, Holdings) -> Operator + Send + Sync + 'static,
    ) {
        self.desk().server = Some((server, Arc::new(make)));
        loop {
            self.step();
            sleep(STEP).await;
        }
    }

    /// Nothing happens by chance any more.
    pub fn calms(&self) {
        self.desk().calm = true;
    }

    /// Starts no replica any more, which would know this office; returns what it knows.
    pub fn close(self) -> Crowded {
        let mut desk = self.desk();
        desk.server = None;
        mem::take(&mut desk.known)
    }

    /// Whether an object is in the hands of a replica.
    pub fn has(&self, seat: usize, uid: &str) -> bool {
        let desk = self.desk();
        let shard = desk.crowd.shards.of(&uid.into());
        let lease = desk.leases[usize::from(shard.0)];
        lease.is_some_and(|lease| lease.holder == seat && Instant::now() < lease.until)
    }

    /// The last tenure of a replica for an object, by its number.
    pub fn tenure(&self, seat: usize, uid: &str) -> usize {
        let desk = self.desk();
        let is_its = |tenure: &Tenure| tenure.seat == seat && tenure.has(uid);
        desk.known.tenures.iter().rposition(is_its).unwrap_or_default()
    }

    /// A replica does something; it is noted if it isn't to.
    pub fn strays(&self, seat: usize, uid: &str, what: impl FnOnce() -> Stray) {
        if !self.has(seat, uid) {
            let stray = what();
            self.desk().known.strays.push(stray);
        }
    }

    /// A replica sends a request.
    pub fn sends(&self, request: &Request) {
        let seat = {
            let desk = self.desk();
            desk.known.seats.iter().rposition(|seat| seat.client == request.client)
        };
        // A request for the status has no uid.
        let uid = request.body["metadata"]["uid"].as_str();
        if let (Some(seat), Some(uid)) = (seat, uid) {
            self.strays(seat, uid, || Stray::Sent(format!("{}: {request}", request.client)));
        }
    }

    fn step(&self) {
        let shards = self.desk().crowd.shards;
        self.recruit();
        for shard in shards.all() {
            self.look_at(shard);
        }
    }

    /// Starts further replicas.
    fn recruit(&self) {
        let client = {
            let desk = self.desk();
            let alive =
                desk.replicas.iter().filter(|replica| replica.task.is_some() && replica.alive).count();
            (alive + 1 < desk.crowd.replicas).then(|| format!("operator-{}", desk.replicas.len()))
        };
        let Some(client) = client else { return };
        let (seat, holdings) = self.enlist(&client);
        let mut desk = self.desk();
        let Some((server, make)) = desk.server.clone() else { return };
        let stop = CancellationToken::new();
        let running = make(seat, holdings).client(server.client(&client)).run_until(stop.clone());
        let office = self.clone();
        let task = tokio::spawn(async move {
            let ended = running.await;
            assert!(ended.is_ok(), "it can't start");
            office.dies(&client, Death::Stopped);
        });
        desk.replicas[seat].task = Some((task, stop));
    }

    fn look_at(&self, shard: Shard) {
        let now = Instant::now();
        let mut desk = self.desk();
        let Some(lease) = desk.leases[usize::from(shard.0)] else {
            return self.grant(&mut desk, shard, None);
        };
        let is_reached = {
            let replica = &mut desk.replicas[lease.holder];
            replica.cut_until.take_if(|until| *until <= now);
            replica.alive && replica.cut_until.is_none()
        };
        if is_reached {
            desk.renew(shard, lease, now, &self.record);
            if !desk.calm && desk.chance.f64() < desk.crowd.unrest {
                self.trouble(&mut desk, shard);
            }
        } else if lease.free_at <= now {
            desk.replicas[lease.holder].holdings.lose(shard);
            self.grant(&mut desk, shard, Some(lease.holder));
        }
    }

    /// Gives a shard to a replica, to another one than this if there is one.
    fn grant(&self, desk: &mut Desk, shard: Shard, but: Option<usize>) {
        let now = Instant::now();
        let can = |replica: &Replica| replica.alive && replica.cut_until.is_none_or(|until| until <= now);
        let seats: Vec<_> = (0..desk.replicas.len()).filter(|seat| can(&desk.replicas[*seat])).collect();
        let others: Vec<_> = seats.iter().copied().filter(|seat| Some(*seat) != but).collect();
        let from = if others.is_empty() { seats } else { others };
        desk.leases[usize::from(shard.0)] = None;
        if from.is_empty() {
            return;
        }
        let holder = from[desk.chance.usize(..from.len())];
        let epoch = &mut desk.epochs[usize::from(shard.0)];
        *epoch += 1;
        let epoch = *epoch;
        let lease = Lease { holder, epoch, until: now + VALID, free_at: now + TAKEN, leaving: false };
        desk.leases[usize::from(shard.0)] = Some(lease);
        desk.begins(shard, holder, &self.record);
        self.counter.count("lease: taken");
        desk.replicas[holder].holdings.hold(shard, epoch, Clock::now() + VALID);
    }

    /// Something happens to a Lease, or to its holder.
    fn trouble(&self, desk: &mut Desk, shard: Shard) {
        let at = usize::from(shard.0);
        let Some(lease) = desk.leases[at].filter(|lease| !lease.leaving) else { return };
        let holder = lease.holder;
        match desk.chance.u8(..10) {
            // The process was stopped, or the machine slept, and it doesn't know yet.
            0..4 => {
                self.counter.count("lease: jump");
                desk.replicas[holder].holdings.lapse(shard);
                self.grant(desk, shard, Some(holder));
                let (after, office) = (Duration::from_millis(desk.chance.u64(..3_000)), self.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    let desk = office.desk();
                    if desk.leases[at].is_none_or(|lease| lease.holder != holder) {
                        desk.replicas[holder].holdings.lose(shard);
                    }
                });
            }
            // It is cut off; if not for too long, it renews late.
            4 | 5 => {
                self.counter.count("lease: cut");
                let time = Duration::from_millis(desk.chance.u64(3_000..25_000));
                desk.replicas[holder].cut_until = Some(Instant::now() + time);
            }
            6 | 7 => self.hand_over(desk, shard, lease),
            other => {
                let replica = &mut desk.replicas[holder];
                let Some((task, stop)) = &replica.task else { return };
                self.counter.count(if other == 8 { "lease: killed" } else { "lease: stopped" });
                if other == 8 {
                    task.abort();
                    desk.dies(holder, Death::Killed);
                } else {
                    stop.cancel();
                }
            }
        }
    }

    fn hand_over(&self, desk: &mut Desk, shard: Shard, lease: Lease) {
        self.counter.count("lease: handed over");
        let (at, office) = (usize::from(shard.0), self.clone());
        let holdings = desk.replicas[lease.holder].holdings.clone();
        desk.leases[at] = Some(Lease { leaving: true, ..lease });
        holdings.leave(shard);
        tokio::spawn(async move {
            let _ = timeout(GRACE, holdings.drained(shard)).await;
            let mut desk = office.desk();
            // It may have lost it meanwhile.
            if desk.leases[at].is_some_and(|now| now.epoch == lease.epoch && now.leaving) {
                holdings.lose(shard);
                office.grant(&mut desk, shard, Some(lease.holder));
            }
        });
    }
}

impl Desk {
    fn renew(&mut self, shard: Shard, lease: Lease, now: Instant, record: &Record) {
        let at = usize::from(shard.0);
        let is_late = lease.until <= now;
        self.leases[at] = Some(Lease { until: now + VALID, free_at: now + TAKEN, ..lease });
        if is_late && lease.leaving {
            // What was left has been dropped.
            self.replicas[lease.holder].holdings.lose(shard);
            self.leases[at] = None;
            return;
        }
        if is_late {
            self.begins(shard, lease.holder, record);
        }
        self.replicas[lease.holder].holdings.extend(shard, Clock::now() + VALID);
    }

    fn begins(&mut self, shard: Shard, seat: usize, record: &Record) {
        let (begun, shards) = (record.moment(), self.crowd.shards);
        self.known.tenures.push(Tenure { seat, begun, shards, shard });
    }

    fn dies(&mut self, seat: usize, how: Death) {
        self.replicas[seat].alive = false;
        if how == Death::Stopped {
            // It has released what it held.
            for lease in &mut self.leases {
                lease.take_if(|lease| lease.holder == seat);
            }
        }
    }
}
