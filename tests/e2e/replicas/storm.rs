//! Storm: replicas of the table operator, what happens to them, and what is to be told of it.

use super::ledger::{Ledger, Replica, Run, SECOND, Tenure, Time, Write};
use crate::fixture::{Cluster, Fixture, OperatorProcess, condition, eventually_within, manifest};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use korf_core::shard::Shards;
use kube::{
    Api, ResourceExt,
    api::ListParams,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};

/// The group of the replicas: the API server's audit log tells what such users do.
const REPLICAS: &str = "system:serviceaccounts";

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    pub replicas: usize,
    pub shards: u16,
    pub objects: usize,
    pub length: Duration,
    /// A Lease's duration, the renew deadline, and the time between two renewals.
    pub times: [Duration; 3],
    /// The time between two blows.
    pub pause: Duration,
}

impl Plan {
    /// With short leases.
    pub fn short() -> Self {
        let times = [3000, 2000, 400].map(Duration::from_millis);
        Self {
            replicas: 2,
            shards: 1,
            objects: 24,
            length: Duration::from_secs(20),
            times,
            pause: Duration::from_secs(4),
        }
    }

    /// As users have it, for two minutes.
    pub fn long() -> Self {
        let times = [15, 10, 2].map(Duration::from_secs);
        let pause = Duration::from_secs(12);
        Self { objects: 96, length: Duration::from_secs(120), times, pause, ..Self::short() }
    }

    fn shards(&self) -> Shards {
        self.shards.to_string().parse().unwrap()
    }

    /// The longest time that a Lease may be without a holder: its duration, a try and a half, and what a busy machine takes.
    pub fn most_take_over(&self) -> Time {
        micros(self.times[0] + 2 * self.times[2] + Duration::from_secs(5))
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Figures {
    pub runs: usize,
    pub writes: usize,
    /// After a replica was killed or stopped: until another one had the Lease, and until it called a handler. Without the time for
    /// which the API server was away.
    pub take_overs: Vec<(Time, Option<Time>)>,
    /// The objects whose replica is another one after a replica has joined, and all.
    pub moved: (usize, usize),
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |mut times: Vec<Time>| {
            times.sort_unstable();
            let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
            let seconds = |time: Option<&Time>| {
                time.map_or("–".to_owned(), |time| {
                    format!("{}.{:01} s", time / SECOND, time % SECOND / (SECOND / 10))
                })
            };
            [seconds(at(50)), seconds(times.last())].join(" | ")
        };
        let leased = of(self.take_overs.iter().map(|(leased, _)| *leased).collect());
        let called = of(self.take_overs.iter().filter_map(|(_, called)| *called).collect());
        let (moved, all) = self.moved;
        write!(f, "{} | {} | {leased} | {called} | {moved} of {all}", self.runs, self.writes)
    }
}

fn micros(time: Duration) -> Time {
    Time::try_from(time.as_micros()).unwrap()
}

fn now() -> Time {
    Timestamp::now().as_microsecond()
}

/// One replica that has run, or still does.
struct Member {
    process: OperatorProcess,
    number: Replica,
    /// None while it runs.
    ended: Option<Time>,
    stopped_since: Option<Time>,
}

impl Member {
    /// Whether it is stopped until another one has its shards, or for a part of the duration only.
    fn stays_stopped(&self) -> bool {
        !self.number.is_multiple_of(2)
    }
}

struct Storm<'s> {
    plan: &'s Plan,
    fixture: Fixture<'s>,
    members: Vec<Member>,
    ledger: Ledger,
    /// When replicas were killed or stopped.
    losses: Vec<(Replica, Time)>,
    /// When the API server was restarted, from the beginning of that until it was ready.
    restarts: Vec<Range<Time>>,
}

/// Lets a storm pass over an operator's replicas, judges it, and returns what was measured.
pub async fn storm(cluster: &Cluster, plan: &Plan) -> Figures {
    let name = format!("storm-{}-{}", plan.replicas, plan.shards);
    let fixture = Fixture::on(cluster, &name).await;
    let validity = micros(plan.times[1]);
    let ledger = Ledger { validity, ..Ledger::default() };
    let (members, losses, restarts) = Default::default();
    let mut storm = Storm { plan, fixture, members, ledger, losses, restarts };
    let leases = Leases::watch(&storm.fixture).await;
    let group = format!("--group={REPLICAS}");
    let bind = ["create", "clusterrolebinding", "replicas", "--clusterrole=cluster-admin", &group];
    assert!(storm.fixture.kubectl().args(bind).status().unwrap().success());
    for _ in 0..plan.replicas {
        storm.start();
    }
    storm.create().await;
    storm.until_all_are_handled().await;
    let users = storm.let_users_work();
    storm.blow(&leases).await;
    users.abort();
    storm.go_on();
    storm.until_all_are_handled().await;
    let moved = storm.join(&leases).await;
    storm.end(leases).await;
    let violations = storm.ledger.violations();
    assert!(
        violations.is_empty(),
        "{} violations: {:#?}",
        violations.len(),
        &violations[..violations.len().min(5)]
    );
    let take_overs = storm.losses.iter().flat_map(|(replica, at)| {
        let all = storm.ledger.take_overs(*replica, *at).into_iter();
        all.map(|(leased, called)| {
            (storm.without_restarts(*at, leased), called.map(|called| storm.without_restarts(*at, called)))
        })
    });
    let take_overs = take_overs.collect();
    Figures { runs: storm.ledger.runs.len(), writes: storm.ledger.writes.len(), take_overs, moved }
}

impl Storm<'_> {
    /// Starts another replica.
    fn start(&mut self) {
        let number = self.members.len();
        let user = format!("replica-{number}");
        let config = self.fixture.cluster.control_plane.kubeconfig_for(&user, &[REPLICAS], None).unwrap();
        let [duration, deadline, period] = self.plan.times.map(|time| format!("{}ms", time.as_millis()));
        let mut command = self.fixture.operator().env("KUBECONFIG", config).env("HOSTNAME", user);
        let shards = self.plan.shards.to_string();
        let arguments = [
            "--leader-elect",
            "--shards",
            &shards,
            "--lease-namespace",
            &self.fixture.namespace,
            "--log-format",
            "json",
        ];
        for argument in arguments {
            command = command.arg(argument);
        }
        let settings = [("duration", duration), ("renew_deadline", deadline), ("retry_period", period)];
        for (name, value) in settings {
            command = command.arg(format!("--set=leases.{name}={value}"));
        }
        let process = command.start();
        self.members.push(Member { process, number, ended: None, stopped_since: None });
    }

    async fn create(&self) {
        for number in 0..self.plan.objects {
            self.fixture.apply(&manifest(&format!("table-{number}"), &format!("table_{number}"), &["id"]));
        }
    }

    /// Changes objects all the time, in a task of its own. Some are locked for a while in the database, so that their handlers take long.
    fn let_users_work(&self) -> AbortHandle {
        let (tables, objects, database) =
            (self.fixture.tables(), self.plan.objects, self.fixture.database.clone());
        let work = async move {
            let sql = database.connect().await.unwrap();
            for round in 0_usize.. {
                let number = round % objects;
                // Each has one column more than before.
                let more =
                    (1..=round / objects + 1).map(|number| json!({format!("more_{number}"): "integer"}));
                let columns: Vec<_> = [json!({"id": "integer"})].into_iter().chain(more).collect();
                let spec = json!({"spec": {"columns": columns}});
                let patch = kube::api::Patch::Merge(spec);
                // The API server may be away.
                let _ = tables
                    .patch(&format!("table-{number}"), &kube::api::PatchParams::default(), &patch)
                    .await;
                if round % 10 == 0 {
                    let lock = format!(
                        "BEGIN; LOCK TABLE table_{number} IN ACCESS SHARE MODE; SELECT pg_sleep(1); COMMIT"
                    );
                    let _ = sql.batch_execute(&lock).await;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::spawn(work).abort_handle()
    }
}

/// What happens to the replicas.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// One is killed, and another one starts.
    Kill,
    /// One is stopped, for longer than its leases last or for less.
    Stop,
    /// One is told to end, and another one starts.
    Terminate,
    /// The API server is restarted.
    Restart,
}

impl Storm<'_> {
    /// Deals blows until the time is over, each kind in its turn.
    async fn blow(&mut self, leases: &Leases) {
        let begun = Instant::now();
        let blows = [Blow::Kill, Blow::Stop, Blow::Terminate, Blow::Stop, Blow::Restart];
        for blow in blows.into_iter().cycle() {
            if begun.elapsed() >= self.plan.length {
                break;
            }
            self.deal(blow, leases).await;
            sleep(self.plan.pause).await;
            let [duration, ..] = self.plan.times;
            let over = |member: &&Member| {
                let least = if member.stays_stopped() { duration + duration / 2 } else { duration / 3 };
                member.stopped_since.is_some_and(|since| now() - since > micros(least))
            };
            for number in self.members.iter().filter(over).map(|member| member.number).collect::<Vec<_>>() {
                self.resume(number);
            }
        }
    }

    async fn deal(&mut self, blow: Blow, leases: &Leases) {
        let is_running = |member: &&Member| member.ended.is_none() && member.stopped_since.is_none();
        let running: Vec<_> = self.members.iter().filter(is_running).map(|member| member.number).collect();
        // One that has a shard is hit harder.
        let holders = leases.holders();
        let victim = running.iter().copied().find(|number| holders.values().any(|holder| holder == number));
        match (blow, victim) {
            (Blow::Restart, _) => {
                let begun = now();
                self.fixture.cluster.control_plane.restart_api_server().await.unwrap();
                self.restarts.push(begun..now());
            }
            (Blow::Kill, Some(victim)) if running.len() > 1 => {
                self.losses.push((victim, now()));
                let member = &mut self.members[victim];
                member.process.kill_9();
                member.ended = Some(now());
                self.start();
            }
            (Blow::Terminate, Some(victim)) if running.len() > 1 => {
                let member = &mut self.members[victim];
                let status = member.process.terminate().await;
                member.ended = Some(now());
                assert_eq!(status.code(), Some(0));
                self.start();
            }
            (Blow::Stop, Some(victim)) if running.len() > 1 => {
                let member = &mut self.members[victim];
                if member.stays_stopped() {
                    self.losses.push((victim, now()));
                }
                member.stopped_since = Some(now());
                member.process.signal("STOP");
            }
            _ => {}
        }
    }

    /// A time that began then, without what restarts took of it.
    fn without_restarts(&self, from: Time, took: Time) -> Time {
        let of = |restart: &Range<Time>| (restart.end.min(from + took) - restart.start.max(from)).max(0);
        took - self.restarts.iter().map(of).sum::<Time>()
    }

    fn resume(&mut self, number: Replica) {
        let member = &mut self.members[number];
        if let Some(since) = member.stopped_since.take() {
            self.ledger.frozen.push((number, since..now()));
            member.process.signal("CONT");
        }
    }

    /// Lets all go on that are stopped.
    fn go_on(&mut self) {
        (0..self.members.len()).for_each(|number| self.resume(number));
    }

    /// Waits until no object is forgotten: each is as its newest spec asks.
    async fn until_all_are_handled(&self) {
        let tables = self.fixture.tables();
        let unhandled = async || {
            let all = tables.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
            let is_handled = |table: &Value| {
                table["status"]["observedGeneration"] == table["metadata"]["generation"]
                    && condition(table, "Ready")[0] == "True"
            };
            let handled = all.iter().filter(|table| is_handled(&serde_json::to_value(table).unwrap()));
            self.plan.objects - handled.count()
        };
        let limit = 4 * self.plan.times[0] + Duration::from_secs(60);
        eventually_within(limit, "all objects are handled", unhandled, |unhandled| *unhandled == 0).await;
    }

    /// Lets one more replica join, and counts the objects that move.
    async fn join(&mut self, leases: &Leases) -> (usize, usize) {
        let running = self.members.iter().filter(|member| member.ended.is_none()).count();
        leases.until_shared(usize::from(self.plan.shards), running).await;
        let before = leases.holders();
        self.start();
        leases.until_shared(usize::from(self.plan.shards), running + 1).await;
        let after = leases.holders();
        let shards = self.plan.shards();
        let list = self.fixture.tables().list(&ListParams::default()).await.unwrap();
        let shard = |uid: &str| shards.of(&uid.into()).0;
        let moved = list.iter().filter_map(ResourceExt::uid).filter(|uid| {
            let shard = shard(uid);
            before.get(&shard) != after.get(&shard)
        });
        (moved.count(), list.items.len())
    }

    /// Ends all, and reads what they have told.
    async fn end(&mut self, leases: Leases) {
        for member in self.members.iter_mut().filter(|member| member.ended.is_none()) {
            assert_eq!(member.process.terminate().await.code(), Some(0));
            member.ended = Some(now());
        }
        leases.watching.abort();
        self.ledger.tenures = self.tenures();
        for member in &self.members {
            let runs = runs(
                member.number,
                self.plan.shards(),
                &member.process.lines(),
                member.ended.unwrap_or_else(now),
            );
            self.ledger.runs.extend(runs);
        }
        self.ledger.writes = self.writes().await;
    }

    /// What the API server has taken from replicas, by its audit log: from each, when it was answered.
    fn taken(&self) -> Vec<(Replica, Time, Value)> {
        let log = self.fixture.cluster.control_plane.audit_log().unwrap();
        let taken = log.lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let replica = line["user"]["username"].as_str()?.strip_prefix("replica-")?.parse().ok()?;
            let at = line["stageTimestamp"].as_str()?.parse::<Timestamp>().ok()?.as_microsecond();
            let wrote = ["create", "patch"].contains(&line["verb"].as_str()?)
                && [200, 201].contains(&line["responseStatus"]["code"].as_i64()?);
            wrote.then_some((replica, at, line))
        });
        taken.collect()
    }

    /// The writes to objects.
    async fn writes(&self) -> Vec<Write> {
        let (list, shards) =
            (self.fixture.tables().list(&ListParams::default()).await.unwrap(), self.plan.shards());
        let uids: BTreeMap<_, _> =
            list.iter().filter_map(|table| Some((table.name_any(), table.uid()?))).collect();
        let tables =
            self.taken().into_iter().filter(|(.., line)| line["objectRef"]["resource"] == "databasetables");
        let write = |(replica, at, line): (Replica, Time, Value)| {
            let uid = uids.get(line["objectRef"]["name"].as_str()?)?.clone();
            Some(Write { replica, shard: shards.of(&uid.as_str().into()).0, uid, at })
        };
        tables.filter_map(write).collect()
    }

    /// Who has held which Lease when.
    fn tenures(&self) -> Vec<Tenure> {
        let mut tenures = BTreeMap::<((u16, u64), Replica), Tenure>::new();
        for (replica, at, line) in self.taken() {
            let lease = serde_json::from_value::<Lease>(line["responseObject"].clone());
            let Some((holder, lease)) = lease.ok().as_ref().and_then(held) else { continue };
            if holder == replica {
                let new = Tenure { replica, lease, time: at..at };
                tenures.entry((lease, replica)).or_insert(new).time.end = at;
            }
        }
        tenures.into_values().collect()
    }
}

/// The calls of handlers that a replica's log tells of.
fn runs(replica: Replica, shards: Shards, lines: &[String], end: Time) -> Vec<Run> {
    let (mut open, mut runs) = (BTreeMap::<(String, String), Run>::new(), Vec::new());
    for line in lines {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(message), Some(uid)) = (line["message"].as_str(), line["object"]["uid"].as_str()) else {
            continue;
        };
        let at = line["timestamp"]
            .as_str()
            .and_then(|time| time.parse::<Timestamp>().ok())
            .unwrap()
            .as_microsecond();
        if message.starts_with("The lease is over") {
            let lost = open.extract_if(.., |(of, _), _| of == uid);
            runs.extend(lost.map(|(_, run)| Run { time: run.time.start..at, ..run }));
            continue;
        }
        let Some((handler, rest)) = message.strip_prefix("Handler '").and_then(|rest| rest.split_once('\''))
        else {
            continue;
        };
        let key = (uid.to_owned(), handler.to_owned());
        if rest == " is invoked." {
            let epoch = line["epoch"].as_u64().unwrap_or_else(|| panic!("the epoch is missing: {line}"));
            let lease = (shards.of(&uid.into()).0, epoch);
            let run = Run { replica, uid: key.0.clone(), handler: key.1.clone(), time: at..end, lease };
            runs.extend(open.insert(key, run));
        } else if let Some(run) = open.remove(&key) {
            runs.push(Run { time: run.time.start..at, ..run });
        }
    }
    runs.extend(open.into_values());
    runs
}

/// The Leases, as a watch shows them.
struct Leases {
    /// The holders of the shards.
    holders: Arc<Mutex<BTreeMap<u16, Replica>>>,
    watching: AbortHandle,
}

impl Leases {
    async fn watch(fixture: &Fixture<'_>) -> Self {
        let api = Api::<Lease>::namespaced(
            fixture.cluster.control_plane.client().await.unwrap(),
            &fixture.namespace,
        );
        let holders = Arc::<Mutex<BTreeMap<u16, Replica>>>::default();
        let known = Arc::clone(&holders);
        let watching = async move {
            let mut leases = watcher(api, watcher::Config::default()).applied_objects().boxed();
            while let Some(lease) = leases.next().await {
                match lease {
                    Ok(lease) => {
                        let held = held(&lease).map(|(replica, (shard, _))| (shard, replica));
                        known.lock().unwrap().extend(held);
                    }
                    // The API server restarts.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
        };
        Self { holders, watching: tokio::spawn(watching).abort_handle() }
    }

    /// The replicas that hold the shards, by their numbers.
    fn holders(&self) -> BTreeMap<u16, Replica> {
        self.holders.lock().unwrap().clone()
    }

    /// Waits until each of so many replicas has its share.
    async fn until_shared(&self, shards: usize, replicas: usize) {
        let sharing = async || {
            let holders = self.holders();
            let mut shares = BTreeMap::<Replica, usize>::new();
            holders.values().for_each(|holder| *shares.entry(*holder).or_default() += 1);
            (shares.len(), shares.values().min().copied(), shares.values().max().copied())
        };
        let expected = (replicas.min(shards), (shards / replicas).max(1), shards.div_ceil(replicas));
        let is_even = |found: &(usize, Option<usize>, Option<usize>)| {
            *found == (expected.0, Some(expected.1), Some(expected.2))
        };
        eventually_within(Duration::from_secs(90), "the shards are shared evenly", sharing, is_even).await;
    }
}

/// The replica that holds the Lease of a shard, with the shard and how often that has changed hands.
fn held(lease: &Lease) -> Option<(Replica, (u16, u64))> {
    let (name, spec) = (lease.name_any(), lease.spec.as_ref()?);
    let shard = match name.rsplit_once("-of-") {
        Some((rest, _)) => rest.rsplit_once('-')?.1.parse().ok()?,
        None if name.contains("-replica-") => return None,
        None => 0,
    };
    let replica =
        spec.holder_identity.as_deref()?.strip_prefix("replica-")?.split_once('_')?.0.parse().ok()?;
    Some((replica, (shard, u64::try_from(spec.lease_transitions.unwrap_or_default()).ok()?)))
}
