//! Cases of records and verdicts, and a law: two operators are never at work at once.

use super::*;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, iter, time::Duration};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

fn wall(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn me(priority: i64, order: u64) -> Me {
    Me { identity: "me".into(), priority, lifetime: 60 * SECOND, replica_of: None, order }
}

fn look(status: &Value, at: Duration) -> Look<'_> {
    Look { status, sent: at, received: at, wall: wall("2026-01-01T00:00:00Z") }
}

fn korf(priority: i64, order: u64, at_work: bool) -> Value {
    json!({
        "priority": priority, "lifetime": 60, "lastseen": "2026-01-01T00:00:00.000000+00:00",
        "korf": {"order": order, "atWork": at_work},
    })
}

fn kopf(priority: i64) -> Value {
    json!({"priority": priority, "lifetime": 60, "lastseen": "2026-01-01T00:00:00.000000+00:00"})
}

/// What the operator with the number 5 makes of this peer after it has written its own record.
fn verdict(priority: i64, peer: &Value, now: Duration) -> Verdict {
    let (me, mut peers) = (me(priority, 5), Peers::default());
    peers.see("me", look(&json!({"me": korf(priority, 5, false), "other": peer}), Duration::ZERO));
    peers.renew(Duration::ZERO);
    peers.verdict(&me, now, PATIENCE)
}

fn gives_way(priority: i64, why: Precedence) -> Verdict {
    Verdict::GivesWay { to: "other".into(), priority, why }
}

#[test]
fn records_are_read_as_kopf_reads_them_and_korfs_own_come_back_as_they_were() {
    let second = Timestamp::UNIX_EPOCH;
    for (json, priority, lifetime, seen) in [
        (
            json!({"priority": 5, "lifetime": 7, "lastseen": "1970-01-01T00:00:00.000000+00:00"}),
            5,
            7,
            Some(second),
        ),
        (json!({"priority": "5", "lifetime": 7.9, "lastseen": "1970-01-01T00:00:00"}), 5, 7, Some(second)),
        (json!({}), 0, 60, None),
        (json!({"priority": [], "lifetime": {}, "lastseen": 3, "namespace": "x"}), 0, 60, None),
        (
            json!({"priority": 1e300, "lifetime": -1, "lastseen": "yesterday"}),
            i64::MAX,
            0,
            Some(Timestamp::MAX),
        ),
    ] {
        let record = Record::from_json(&json).unwrap();
        assert_eq!(
            (record.priority, record.lifetime.as_secs(), record.seen),
            (priority, lifetime, seen),
            "{json}"
        );
        assert_eq!(record.role, Role::Kopf);
    }
    for json in [json!("text"), json!([]), json!(null), json!(1)] {
        assert_eq!(Record::from_json(&json), None);
    }
    let working = Working { order: 3, at_work: true, replica_of: Some("a/b".into()) };
    for role in [Role::Kopf, Role::Operator(working), Role::Freeze(Freeze { message: Some("é".into()) })] {
        let record = Record { priority: -1, lifetime: 60 * SECOND, seen: Some(second), role };
        assert_eq!(Record::from_json(&record.to_json()), Some(record));
    }
    let record = Record { priority: 0, lifetime: SECOND, seen: Some(second), role: Role::Kopf };
    assert_eq!(
        record.to_json(),
        json!({"priority": 0, "lifetime": 1, "lastseen": "1970-01-01T00:00:00.000000+00:00"})
    );
}

#[test]
fn the_greater_priority_comes_first_and_then_the_smaller_number() {
    let after = PATIENCE;
    for (priority, peer, expected) in [
        (0, kopf(1), gives_way(1, Precedence::Priority)),
        (0, kopf(-1), Verdict::First(None)),
        // An operator of Kopf pauses for one with its priority.
        (0, kopf(0), Verdict::First(Some("other".into()))),
        (7, korf(8, 9, false), gives_way(8, Precedence::Priority)),
        (7, korf(6, 1, false), Verdict::First(None)),
        (7, korf(7, 4, false), gives_way(7, Precedence::Age)),
        (7, korf(7, 6, false), Verdict::First(Some("other".into()))),
        // Both have joined at the same time: "me" is before "other".
        (7, korf(7, 5, false), Verdict::First(Some("other".into()))),
        // They come later, but haven't paused yet.
        (7, korf(6, 1, true), Verdict::Waits("other".into())),
        (7, korf(7, 6, true), Verdict::Waits("other".into())),
    ] {
        assert_eq!(verdict(priority, &peer, after), expected, "{priority} and {peer}");
    }
}

#[test]
fn a_freeze_is_for_those_up_to_its_priority() {
    let freeze =
        |priority| json!({"priority": priority, "lifetime": 60, "korf": {"freeze": true, "message": "so"}});
    for (priority, expected) in [
        (100, gives_way(100, Precedence::Frozen(Some("so".into())))),
        (99, gives_way(100, Precedence::Frozen(Some("so".into())))),
        (101, Verdict::First(None)),
    ] {
        assert_eq!(verdict(priority, &freeze(100), PATIENCE), expected, "{priority}");
    }
}

#[test]
fn operators_of_kopf_have_some_time_to_pause_since_the_record_stands() {
    for priority in [-1, 0] {
        assert_eq!(verdict(0, &kopf(priority), PATIENCE - SECOND), Verdict::Waits("other".into()));
    }
    let mut peers = Peers::default();
    peers.see("me", look(&json!({"me": korf(0, 1, false), "other": kopf(0)}), SECOND));
    assert_eq!(peers.next(&me(0, 1), SECOND, PATIENCE), Some(SECOND + PATIENCE));
    assert_eq!(peers.next(&me(0, 1), SECOND + PATIENCE, PATIENCE), Some(61 * SECOND));
}

#[test]
fn an_operator_whose_record_is_not_there_or_over_is_not_seen() {
    let (me, mut peers) = (me(0, 1), Peers::default());
    peers.see("me", look(&Value::Null, Duration::ZERO));
    assert_eq!(peers.verdict(&me, Duration::ZERO, PATIENCE), Verdict::Unseen);
    let status = json!({"me": korf(0, 1, false)});
    peers.see("me", look(&status, SECOND));
    peers.renew(SECOND);
    assert_eq!(peers.verdict(&me, 50 * SECOND, PATIENCE), Verdict::First(None));
    assert_eq!(peers.verdict(&me, 51 * SECOND, PATIENCE), Verdict::Unseen);
    peers.renew(50 * SECOND);
    assert_eq!(peers.verdict(&me, 61 * SECOND, PATIENCE), Verdict::First(None));
    peers.see("me", look(&json!({}), 62 * SECOND));
    assert_eq!(peers.verdict(&me, 62 * SECOND, PATIENCE), Verdict::Unseen);
}

#[test]
fn a_peer_counts_for_its_lifetime_since_it_was_seen_to_change_whatever_its_clock_says() {
    for seen in ["1999-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"] {
        let (me, mut peers) = (me(0, 1), Peers::default());
        let with = |lifetime: u64| {
            let other = json!({"priority": 1, "lifetime": lifetime, "lastseen": seen});
            json!({"me": korf(0, 1, false), "other": other})
        };
        peers.see("me", look(&with(59), Duration::ZERO));
        peers.see("me", look(&with(60), SECOND));
        let mut is_alive = |at: Duration| {
            peers.see("me", look(&with(60), at));
            peers.renew(at);
            (peers.verdict(&me, at, PATIENCE) != Verdict::First(None), peers.dead().count())
        };
        assert_eq!(is_alive(60 * SECOND), (true, 0), "{seen}");
        assert_eq!(is_alive(61 * SECOND), (false, 1), "{seen}");
    }
}

#[test]
fn without_an_answer_of_the_api_server_no_peer_is_over() {
    let (me, mut peers) = (me(0, 1), Peers::default());
    peers.see("me", look(&json!({"me": korf(0, 1, false), "other": kopf(1)}), Duration::ZERO));
    peers.renew(3000 * SECOND);
    assert_eq!(peers.verdict(&me, 3000 * SECOND, PATIENCE), gives_way(1, Precedence::Priority));
}

#[test]
fn at_the_first_look_alone_the_times_of_records_count() {
    // The operator's own clock says midnight.
    for (seen, until) in [
        ("2025-12-31T23:59:00+00:00", 0),
        ("2025-12-31T23:59:30+00:00", 30),
        ("2026-01-01T00:00:00+00:00", 60),
        // A clock that is ahead doesn't make a record count longer.
        ("2026-01-01T05:00:00+00:00", 60),
    ] {
        let (me, mut peers) = (me(0, 1), Peers::default());
        let status = json!({"other": {"priority": 1, "lifetime": 60, "lastseen": seen}});
        peers.see("me", look(&status, Duration::ZERO));
        for (at, is_alive) in [(until.max(1) - 1, until > 0), (until, false)] {
            peers.see("me", look(&status, at * SECOND));
            let gives_way = matches!(peers.verdict(&me, at * SECOND, PATIENCE), Verdict::GivesWay { .. });
            assert_eq!(gives_way, is_alive, "{seen} at {at}");
            // A clock may be wrong: it is removed after a lifetime without a change.
            assert_eq!(peers.dead().count(), usize::from(at >= 60), "{seen} at {at}");
        }
    }
    let (me, mut peers) = (me(0, 1), Peers::default());
    peers.see("me", look(&json!({"other": {"priority": 1}}), Duration::ZERO));
    peers.see("me", look(&json!({"other": {"priority": 1}}), 3000 * SECOND));
    assert_eq!(
        peers.verdict(&me, 3000 * SECOND, PATIENCE),
        gives_way(1, Precedence::Priority),
        "it has no time"
    );
    assert_eq!(peers.dead().count(), 0);
}

#[test]
fn replicas_of_one_operator_share_a_place_and_do_not_pause_for_each_other() {
    let replica = |order: u64, name: &str| {
        let mut record = korf(0, order, true);
        record["korf"]["replicaOf"] = name.into();
        record
    };
    let mut peers = Peers::default();
    let status = json!({"me": korf(0, 9, false), "a": replica(2, "mine"), "b": replica(2, "mine"), "c": replica(3, "others")});
    peers.see("me", look(&status, Duration::ZERO));
    peers.renew(Duration::ZERO);
    let next = |name| Peers::next_order(iter::once(&peers), name);
    assert_eq!((next(Some("mine")), next(Some("new")), next(None)), (2, 4, 4));
    let mine = Me { replica_of: Some("mine".into()), ..me(0, 9) };
    assert_eq!(
        peers.verdict(&mine, Duration::ZERO, PATIENCE),
        Verdict::Waits("c".into()),
        "and not for a and b"
    );
    let alone = me(0, 9);
    assert!(matches!(peers.verdict(&alone, Duration::ZERO, PATIENCE), Verdict::GivesWay { .. }));
}

impl Peer {
    fn decide(&mut self, now: Duration) {
        let verdict = self.peers.verdict(&self.me, now, PATIENCE);
        let is_over = self.peers.over(&self.me).is_some_and(|over| over <= now);
        self.has_overslept |= is_over && self.turns > 0;
        let is_written = self.written == Some(self.course.is_at_work());
        let (course, act) = self.course.step(&verdict, is_written, self.turns == 0);
        self.course = course;
        self.has_overslept &= course == Course::Leaving;
        match act {
            Some(Act::Begin) => self.begins = true,
            Some(Act::Pause) => self.begins = false,
            None => {}
        }
    }
}

/// A peering, and operators that take turns at random.
struct World {
    status: Map<String, Value>,
    now: Duration,
    operators: Vec<Peer>,
}

struct Peer {
    me: Me,
    peers: Peers,
    course: Course,
    /// What its record says.
    written: Option<bool>,
    /// Turns under way.
    turns: u32,
    begins: bool,
    /// Its record was over while turns were under way: others couldn't wait for them.
    has_overslept: bool,
}

impl World {
    /// Those with an even number are replicas of one operator, if there are any.
    fn new(priorities: &[i64], are_replicas: bool) -> Self {
        let operator = |(number, priority): (usize, &i64)| Peer {
            me: Me {
                identity: format!("operator-{number}"),
                replica_of: (are_replicas && number % 2 == 0).then(|| "replicated".to_owned()),
                ..me(*priority, 0)
            },
            peers: Peers::default(),
            course: Course::default(),
            written: None,
            turns: 0,
            begins: false,
            has_overslept: false,
        };
        let operators = priorities.iter().enumerate().map(operator).collect();
        Self { status: Map::new(), now: SECOND, operators }
    }

    fn step(&mut self, number: usize, choice: u8) {
        let Self { status, now, operators } = self;
        let operator = &mut operators[number];
        let identity = operator.me.identity.clone();
        let seen = |operator: &mut Peer, status: &Map<String, Value>| {
            let status = Value::Object(status.clone());
            let wall = Timestamp::UNIX_EPOCH.checked_add(*now).unwrap();
            operator.peers.see(&identity, Look { wall, ..look(&status, *now) });
        };
        match choice {
            // A turn begins, or ends.
            0 if operator.begins => operator.turns += 1,
            1 => operator.turns = operator.turns.saturating_sub(1),
            // It dies, and another process begins in its place.
            2 if operator.turns == 0 => {
                let me = Me { identity: format!("{identity}'"), ..operator.me.clone() };
                *operator = Peer {
                    me,
                    peers: Peers::default(),
                    course: Course::Paused,
                    written: None,
                    turns: 0,
                    begins: false,
                    has_overslept: false,
                };
            }
            3 => *now += 7 * SECOND,
            4 => seen(operator, status),
            5 => {
                operator.decide(*now);
                if operator.me.order == 0 || operator.written.is_none() {
                    seen(operator, status);
                    let replica_of = operator.me.replica_of.as_deref();
                    operator.me.order = Peers::next_order(iter::once(&operator.peers), replica_of);
                }
                let at_work = operator.course.is_at_work();
                let replica_of = operator.me.replica_of.clone();
                let working = Working { order: operator.me.order, at_work, replica_of };
                let record = Record {
                    priority: operator.me.priority,
                    lifetime: operator.me.lifetime,
                    seen: Timestamp::UNIX_EPOCH.checked_add(*now).ok(),
                    role: Role::Operator(working),
                };
                status.insert(identity.clone(), record.to_json());
                seen(operator, status);
                operator.peers.renew(*now);
                operator.written = Some(at_work);
            }
            _ => operator.decide(*now),
        }
    }

    /// The number of operators at work, whose records aren't over: one that sleeps for longer than that is another matter.
    fn at_work(&self) -> usize {
        let is_alive = |peer: &&Peer| peer.peers.over(&peer.me).is_some_and(|over| self.now < over);
        let is_busy = |peer: &&Peer| peer.begins || peer.turns > 0 && !peer.has_overslept;
        let busy = self.operators.iter().filter(is_alive).filter(is_busy);
        let names = busy.map(|peer| peer.me.replica_of.as_ref().unwrap_or(&peer.me.identity));
        names.collect::<BTreeSet<_>>().len()
    }
}

proptest! {
    #[test]
    fn two_operators_are_never_at_work_at_once(
        priorities in prop::collection::vec(0..2_i64, 2..5),
        are_replicas: bool,
        steps in prop::collection::vec((0..4_usize, 0..10_u8), 0..300),
    ) {
        let mut world = World::new(&priorities, are_replicas);
        for (number, choice) in steps {
            world.step(number % priorities.len(), choice);
            prop_assert!(world.at_work() <= 1, "{:?}", world.status);
        }
    }

    #[test]
    fn in_the_end_the_first_one_is_at_work(
        priorities in prop::collection::vec(0..2_i64, 1..4),
        steps in prop::collection::vec((0..3_usize, 0..10_u8), 0..100),
    ) {
        let mut world = World::new(&priorities, false);
        for (number, choice) in steps {
            world.step(number % priorities.len(), choice);
        }
        for _ in 0..12 {
            world.step(0, 3);
            for _ in 0..4 {
                for number in 0..priorities.len() {
                    [1, 1, 1, 1, 5, 9].into_iter().for_each(|choice| world.step(number, choice));
                }
            }
        }
        let working: Vec<_> = world.operators.iter().filter(|peer| peer.begins).collect();
        prop_assert_eq!(working.len(), 1, "{:?}", world.status);
        prop_assert_eq!(working[0].me.priority, priorities.iter().copied().max().unwrap());
    }
}
