//! Model of some replicas and an API server: clocks that go at different rates, pauses, delays, lost requests and answers.

use crate::{
    lease::{
        Action, Answer, Change, Elector, ElectorConfig, HolderChange, LeaseName, LeaseTimes, News, Record,
        Request, Time,
    },
    shard::{Shard, Shards},
};
use fastrand::Rng;
use std::{collections::BTreeMap, mem, time::Duration};

/// The time between two looks at the world.
pub(super) const TICK: u64 = 20;
pub(super) const TIMES: LeaseTimes = LeaseTimes {
    duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    /// The longest way of a message, in milliseconds.
    pub delay: u64,
    /// Messages that are lost, of a hundred.
    pub lost: u8,
}

pub(super) const CALM: Network = Network { delay: 30, lost: 0 };

/// A message on its way, with the true time of its arrival.
#[derive(Clone, Debug)]
enum Message {
    /// A request, with its number.
    Request(u64, LeaseName, Request),
    Answer(u64, LeaseName, Answer),
    List(u64),
    Listed(u64, Vec<Record>),
    /// No answer has come in time.
    Timeout(u64, Option<LeaseName>),
    Seen(Record),
    SeenGone(Record),
    Drained(Shard),
}

pub(super) struct Replica {
    pub identity: String,
    pub shards: Shards,
    pub elector: Elector,
    /// Percent of the true time, and what the clock has shown at its beginning, in milliseconds.
    rate: u64,
    offset: u64,
    /// What the fences say.
    pub held: BTreeMap<Shard, (u64, Time)>,
    pub news: Vec<News>,
    /// It isn't scheduled until then.
    pub paused: u64,
    /// How long shards take to drain.
    pub drain: u64,
    pub is_stopping: bool,
    /// Requests without an answer so far, with their times by the replica's clock.
    open: BTreeMap<u64, Time>,
    inbox: Vec<(u64, Message)>,
    due: Time,
}

impl Replica {
    fn clock(&self, now: u64) -> Time {
        Duration::from_millis(self.offset + now * self.rate / 100)
    }

    /// The shards whose fences stand.
    pub fn valid(&self, now: u64) -> impl Iterator<Item = Shard> {
        let now = self.clock(now);
        self.held.iter().filter(move |(_, (_, until))| now < *until).map(|(shard, _)| *shard)
    }
}

pub(super) struct World {
    pub rng: Rng,
    pub now: u64,
    pub network: Network,
    pub leases: BTreeMap<String, Record>,
    version: u64,
    number: u64,
    /// On their way to the API server, with the index of the sender's identity.
    to_server: Vec<(u64, String, Message)>,
    pub replicas: Vec<Replica>,
}

pub(super) fn shards(number: u16) -> Shards {
    number.to_string().parse().unwrap()
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: 0,
            network: CALM,
            leases: BTreeMap::new(),
            version: 0,
            number: 0,
            to_server: Vec::new(),
            replicas: Vec::new(),
        }
    }

    pub fn start(&mut self, number: u16) -> usize {
        self.start_with(number, "things.korf.dev")
    }

    pub fn start_with(&mut self, number: u16, kinds: &str) -> usize {
        self.number += 1;
        let identity = format!("pod-{}", self.number);
        let config = ElectorConfig {
            operator: "op".into(),
            identity: identity.clone(),
            shards: shards(number),
            kinds: kinds.into(),
            times: TIMES,
            seed: self.rng.u64(..),
        };
        let mut replica = Replica {
            identity,
            shards: shards(number),
            elector: Elector::new(config),
            rate: self.rng.u64(96..=104),
            offset: self.rng.u64(1..1_000_000),
            held: BTreeMap::new(),
            news: Vec::new(),
            paused: 0,
            drain: 100,
            is_stopping: false,
            open: BTreeMap::new(),
            inbox: Vec::new(),
            due: Time::ZERO,
        };
        self.number += 1;
        self.open_list(&mut replica);
        self.replicas.push(replica);
        self.replicas.len() - 1
    }

    /// As the watch does at its start, and when it breaks.
    fn open_list(&mut self, replica: &mut Replica) {
        self.number += 1;
        replica.open.insert(self.number, replica.clock(self.now));
        // Others than those that the elector asks for are asked for until they are answered.
        let at = self.now + self.rng.u64(0..=self.network.delay);
        self.to_server.push((at, replica.identity.clone(), Message::List(self.number)));
    }

    pub fn break_watch(&mut self, at: usize) {
        let mut replica = self.replicas.swap_remove(at);
        self.open_list(&mut replica);
        self.replicas.push(replica);
    }

    pub fn kill(&mut self, at: usize) {
        self.replicas.swap_remove(at);
    }

    pub fn stop(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.elector.stop();
        (replica.is_stopping, replica.due) = (true, Time::ZERO);
    }

    /// Goes on for this time, and checks at each moment.
    pub fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * 1000;
        while self.now < end {
            self.now += TICK;
            self.serve();
            for at in 0..self.replicas.len() {
                if self.replicas[at].paused <= self.now {
                    self.turn(at);
                }
            }
            self.replicas.retain(|replica| !replica.elector.is_done());
            self.check();
        }
    }

    /// No hash is in two shards that are held.
    fn check(&self) {
        let valid = self.replicas.iter().enumerate().flat_map(|(at, replica)| {
            replica.valid(self.now).map(move |shard| (replica.shards.range(shard), at, shard))
        });
        let mut all: Vec<_> =
            valid.map(|(range, at, shard)| (*range.start(), *range.end(), at, shard)).collect();
        all.sort_unstable_by_key(|(start, ..)| *start);
        for pair in all.windows(2) {
            let (one, other) = (pair[0], pair[1]);
            assert!(one.1 < other.0, "two hold at {} ms: {one:?} and {other:?}", self.now);
        }
    }

    /// The API server takes in what has arrived.
    fn serve(&mut self) {
        let now = self.now;
        let (arrived, later): (Vec<_>, Vec<_>) =
            mem::take(&mut self.to_server).into_iter().partition(|(at, ..)| *at <= now);
        self.to_server = later;
        for (_, sender, message) in arrived {
            let answer = match message {
                Message::Request(number, name, request) => {
                    let answer = self.execute(&sender, &name, request);
                    Message::Answer(number, name, answer)
                }
                Message::List(number) => Message::Listed(number, self.leases.values().cloned().collect()),
                _ => continue,
            };
            let is_lost = self.rng.u8(..100) < self.network.lost && !matches!(answer, Message::Listed(..));
            let at = self.now + self.rng.u64(0..=self.network.delay);
            let replica = self.replicas.iter_mut().find(|replica| replica.identity == sender);
            if let Some(replica) = replica.filter(|_| !is_lost) {
                replica.inbox.push((at, answer));
            }
        }
    }

    fn execute(&mut self, sender: &str, name: &LeaseName, request: Request) -> Answer {
        let text = name.text("op");
        let known = self.leases.get(&text).cloned();
        let guard = match &request {
            Request::Patch(guard, _) | Request::Delete(guard) => Some(guard.clone()),
            Request::Create(_) | Request::Read => None,
        };
        if let (Some(guard), Some(known)) = (&guard, &known)
            && (guard.version != known.version || guard.uid != known.uid)
        {
            return Answer::Conflict;
        }
        self.version += 1;
        match (request, known) {
            (Request::Read, Some(known)) => Answer::Lease(known),
            (Request::Create(_), Some(_)) => Answer::Conflict,
            (Request::Create(change), None) => {
                let new = Record {
                    name: text,
                    uid: format!("uid-{}", self.version),
                    version: String::new(),
                    operator: Some("op".into()),
                    holder: None,
                    duration: TIMES.duration,
                    transitions: 0,
                    shards: None,
                    kinds: None,
                };
                Answer::Lease(self.write(sender, new, &change))
            }
            (Request::Patch(_, change), Some(known)) => Answer::Lease(self.write(sender, known, &change)),
            (Request::Delete(_), Some(known)) => {
                self.delete(&known.name);
                Answer::Gone
            }
            (_, None) => Answer::Gone,
        }
    }

    pub fn delete(&mut self, name: &str) {
        self.version += 1;
        if let Some(record) = self.leases.remove(name) {
            self.show(&Message::SeenGone(Record { version: self.version.to_string(), ..record }));
        }
    }

    fn write(&mut self, sender: &str, mut record: Record, change: &Change) -> Record {
        match change.holder {
            HolderChange::None => {}
            HolderChange::Take { epoch } => {
                (record.holder, record.transitions) = (Some(sender.to_owned()), epoch);
            }
            // It is the sender's that has it: the guard is of the version that it has written.
            HolderChange::Renew => assert_eq!(record.holder.as_deref(), Some(sender)),
            HolderChange::Release => record.holder = None,
        }
        record.shards = change.shards.map(|shards| shards.to_string()).or(record.shards);
        record.kinds = change.kinds.clone().or(record.kinds);
        self.put(record)
    }

    pub fn put(&mut self, mut record: Record) -> Record {
        self.version += 1;
        record.version = self.version.to_string();
        self.leases.insert(record.name.clone(), record.clone());
        if record.operator.as_deref() == Some("op") {
            self.show(&Message::Seen(record.clone()));
        }
        record
    }

    /// All watches show it, each in its order.
    fn show(&mut self, message: &Message) {
        for at in 0..self.replicas.len() {
            let delay = self.rng.u64(0..=self.network.delay);
            let replica = &mut self.replicas[at];
            let shown = |(at, message): &(u64, Message)| {
                matches!(message, Message::Seen(_) | Message::SeenGone(_)).then_some(*at)
            };
            let last = replica.inbox.iter().filter_map(shown).max().unwrap_or_default();
            replica.inbox.push((last.max(self.now + delay), message.clone()));
        }
    }

    /// A replica takes in what has arrived, and does what is due.
    fn turn(&mut self, at: usize) {
        let now = self.now;
        let replica = &mut self.replicas[at];
        let clock = replica.clock(now);
        let (arrived, later): (Vec<_>, Vec<_>) =
            mem::take(&mut replica.inbox).into_iter().partition(|(at, _)| *at <= now);
        replica.inbox = later;
        if arrived.is_empty() && clock < replica.due {
            return;
        }
        // After a pause, an answer that has come meanwhile is taken in before its time is found to be over.
        let (late, other): (Vec<_>, Vec<_>) =
            arrived.into_iter().partition(|(_, message)| matches!(message, Message::Timeout(..)));
        for (_, message) in other.into_iter().chain(late) {
            replica.take_in(message, clock);
        }
        let actions = replica.elector.step(clock);
        replica.due = replica.elector.next_due();
        for action in actions {
            self.act(at, action);
        }
    }

    fn act(&mut self, at: usize, action: Action) {
        let (now, delay) = (self.now, self.rng.u64(0..=self.network.delay));
        let is_lost = self.rng.u8(..100) < self.network.lost;
        let replica = &mut self.replicas[at];
        let clock = replica.clock(now);
        let mut send = |message: fn(u64, LeaseName, Request) -> Message,
                        name: Option<LeaseName>,
                        request,
                        limit: Duration| {
            self.number += 1;
            replica.open.insert(self.number, clock);
            let end = now + u64::try_from(limit.as_millis()).unwrap() * 100 / replica.rate;
            replica.inbox.push((end, Message::Timeout(self.number, name.clone())));
            let message = message(self.number, name.unwrap_or(LeaseName::Operator), request);
            if !is_lost {
                self.to_server.push((now + delay, replica.identity.clone(), message));
            }
        };
        match action {
            Action::Send { name, request, limit } => send(Message::Request, Some(name), request, limit),
            Action::List(limit) => send(|number, _, _| Message::List(number), None, Request::Read, limit),
            Action::Hold(shard, epoch, until) => {
                assert_eq!(replica.held.insert(shard, (epoch, until)), None);
            }
            Action::Extend(shard, until) => replica.held.get_mut(&shard).unwrap().1 = until,
            Action::Leave(shard) => replica.inbox.push((now + replica.drain, Message::Drained(shard))),
            Action::Lose(shard) => assert!(replica.held.remove(&shard).is_some()),
            Action::Tell(news) => replica.news.push(news),
        }
    }
}

impl Replica {
    fn take_in(&mut self, message: Message, now: Time) {
        match message {
            Message::Answer(number, name, answer) => {
                if self.open.remove(&number).is_some() {
                    self.elector.answered(&name, answer, now);
                }
            }
            Message::Listed(number, records) => {
                if let Some(begun) = self.open.remove(&number) {
                    self.elector.listed(records, begun, now);
                }
            }
            Message::Timeout(number, name) => match (self.open.remove(&number), name) {
                (None, _) => {}
                (Some(_), Some(name)) => self.elector.answered(&name, Answer::Failed, now),
                (Some(_), None) => self.elector.list_failed(now),
            },
            Message::Seen(record) => self.elector.saw(record, now),
            Message::SeenGone(record) => self.elector.saw_gone(&record, now),
            Message::Drained(shard) => self.elector.drained(shard),
            Message::Request(..) | Message::List(_) => {}
        }
    }
}
