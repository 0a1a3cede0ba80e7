//! Outages: causes outside the objects for which handlers fail, and the objects that wait for their end.
//!
//! While something is away that handlers need, each object waits with its own backoff, as ever. Besides, one of them is
//! tried in short intervals, on behalf of all. Once a handler gets through, all are called at once.

use crate::Uid;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// The most causes that are kept apart. For another one, that of a single object makes room; where there is none, it is told each
/// time, and its objects have their own backoff alone.
const MOST_CAUSES: usize = 100;
/// The time between the first two tries on behalf of all. It doubles up to the outage's own delay.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The time between the first two reports of an outage that lasts. It doubles, too.
const FIRST_REPORT: Duration = Duration::from_secs(60);
const LAST_REPORT: Duration = Duration::from_secs(3600);
/// An outage that begins again within this time is the same one.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What a handler waits for that has failed for a cause outside its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The cause. Handlers with the same one are helped by the same event.
    pub cause: Arc<str>,
    /// The longest time between two tries by one of the objects.
    pub delay: Duration,
    /// The error message.
    pub why: Arc<str>,
}

/// What the handlers of an object wait for, by their ids.
pub type Blockings = BTreeMap<Arc<str>, Blocked>;

/// Something to tell of an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutageNews {
    /// A handler has failed for a cause that is new, or was over for a while.
    Began(Blocked),
    /// It has lasted for long.
    Lasts {
        /// The cause, and the newest message.
        blocked: Blocked,
        /// The number of objects that wait.
        waiting: usize,
        /// For how long.
        after: Duration,
    },
    /// A handler has got through: all are called.
    Ended {
        /// The cause.
        cause: Arc<str>,
        /// The number of objects that have waited.
        waiting: usize,
        /// For how long.
        after: Duration,
    },
}

/// All outages of an operator, by their causes.
#[derive(Debug, Default)]
pub struct Outages {
    by_cause: BTreeMap<Arc<str>, Outage>,
    news: Vec<OutageNews>,
}

#[derive(Debug)]
struct Outage {
    blocked: Blocked,
    waiting: BTreeSet<Uid>,
    /// The one that was tried last.
    last: Option<Uid>,
    begun: Instant,
    try_at: Instant,
    tries: u32,
    report_at: Instant,
    reports: u32,
    /// Its beginning was told, or that it lasts, and not its end.
    told: bool,
    /// When its beginning was told.
    told_at: Instant,
    /// It is over, and known until then, so that one that comes and goes is told once a minute.
    over: Option<Instant>,
}

impl Outage {
    fn new(blocked: Blocked, now: Instant) -> Self {
        Self {
            blocked,
            waiting: BTreeSet::new(),
            last: None,
            begun: now,
            try_at: now + FIRST_DELAY,
            tries: 0,
            report_at: now + FIRST_REPORT,
            reports: 0,
            told: true,
            told_at: now,
            over: None,
        }
    }

    /// The next object that is tried on behalf of all: each in its turn.
    fn next(&mut self) -> Option<Uid> {
        let after = self.last.as_ref().and_then(|last| self.waiting.range(last..).find(|uid| *uid != last));
        let next = after.or(self.waiting.first()).cloned();
        self.last.clone_from(&next);
        next
    }

    fn delay(&self) -> Duration {
        FIRST_DELAY.saturating_mul(1 << self.tries.min(16)).min(self.blocked.delay)
    }
}

impl Outages {
    /// Takes in that an object waits.
    pub fn wait(&mut self, uid: &Uid, blocked: Blocked, now: Instant) {
        self.by_cause.retain(|_, outage| outage.over.is_none_or(|until| now < until));
        let is_known = self.by_cause.contains_key(&blocked.cause);
        if !is_known && self.by_cause.len() >= MOST_CAUSES && !self.make_room() {
            return self.news.push(OutageNews::Began(blocked));
        }
        let cause = Arc::clone(&blocked.cause);
        let outage = self.by_cause.entry(cause).or_insert_with(|| Outage::new(blocked.clone(), now));
        if !is_known {
            self.news.push(OutageNews::Began(blocked.clone()));
        } else if outage.over.take().is_some() {
            (outage.begun, outage.try_at) = (now, now + outage.delay());
            (outage.report_at, outage.reports) = (now + FIRST_REPORT, 0);
            if now >= outage.told_at + REMEMBERED {
                self.news.push(OutageNews::Began(blocked.clone()));
                (outage.told, outage.told_at) = (true, now);
            }
        }
        outage.blocked = blocked;
        outage.waiting.insert(uid.clone());
    }

    /// Forgets the cause that has stood longest of those that one object alone waits for, which has its own retry anyway.
    /// Returns whether there was one.
    fn make_room(&mut self) -> bool {
        let alone = self.by_cause.iter().filter(|(_, outage)| outage.waiting.len() <= 1);
        let oldest = alone.min_by_key(|(_, outage)| outage.begun).map(|(cause, _)| Arc::clone(cause));
        oldest.is_some_and(|cause| self.by_cause.remove(&cause).is_some())
    }

    /// Takes in that an object no longer waits, for whatever reason.
    pub fn leave(&mut self, uid: &Uid, cause: &str, now: Instant) {
        let Some(outage) = self.by_cause.get_mut(cause) else { return };
        outage.waiting.remove(uid);
        if outage.waiting.is_empty() {
            // Nobody knows whether it is over, and nobody waits for that.
            outage.over.get_or_insert(now + REMEMBERED);
        }
    }

    /// Takes in that an object has got through; returns the others that wait.
    pub fn end(&mut self, uid: &Uid, cause: &str, now: Instant) -> Vec<Uid> {
        let Some(outage) = self.by_cause.get_mut(cause).filter(|outage| outage.over.is_none()) else {
            return Vec::new();
        };
        let waiting = outage.waiting.len();
        outage.waiting.remove(uid);
        outage.over = Some(now + REMEMBERED);
        if mem::take(&mut outage.told) {
            let after = now.saturating_duration_since(outage.begun);
            self.news.push(OutageNews::Ended { cause: cause.into(), waiting, after });
        }
        mem::take(&mut outage.waiting).into_iter().collect()
    }

    /// The number of causes that objects wait for.
    pub fn len(&self) -> usize {
        self.by_cause.values().filter(|outage| outage.over.is_none()).count()
    }

    /// When the next object is tried, or the next report is due.
    pub fn next_due(&self) -> Option<Instant> {
        let lasting = self.by_cause.values().filter(|outage| outage.over.is_none());
        lasting.map(|outage| outage.try_at.min(outage.report_at)).min()
    }

    /// The objects that are to be tried now, each on behalf of all that wait for the same cause.
    pub fn due(&mut self, now: Instant) -> Vec<(Arc<str>, Uid)> {
        let mut tried = Vec::new();
        for outage in self.by_cause.values_mut().filter(|outage| outage.over.is_none()) {
            if outage.report_at <= now {
                let (blocked, waiting) = (outage.blocked.clone(), outage.waiting.len());
                let after = now.saturating_duration_since(outage.begun);
                self.news.push(OutageNews::Lasts { blocked, waiting, after });
                outage.told = true;
                outage.reports += 1;
                outage.report_at =
                    now + FIRST_REPORT.saturating_mul(1 << outage.reports.min(16)).min(LAST_REPORT);
            }
            if outage.try_at <= now {
                outage.tries += 1;
                outage.try_at = now + outage.delay();
                let cause = Arc::clone(&outage.blocked.cause);
                tried.extend(outage.next().map(|uid| (cause, uid)));
            }
        }
        tried
    }

    /// Takes out what is to be told.
    pub fn take_news(&mut self) -> Vec<OutageNews> {
        mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn uid(number: u32) -> Uid {
        Uid::from(format!("00000000-0000-0000-0000-{number:012}").as_str())
    }

    fn blocked(cause: &str) -> Blocked {
        Blocked { cause: cause.into(), delay: 3 * SECOND, why: "refused".into() }
    }

    /// All that happens within this time, second by second: what is tried.
    fn tried(outages: &mut Outages, from: Instant, seconds: u32) -> Vec<(u32, Uid)> {
        let each = (1..=seconds).flat_map(|second| {
            let due = outages.due(from + second * SECOND);
            due.into_iter().map(move |(_, uid)| (second, uid)).collect::<Vec<_>>()
        });
        each.collect()
    }

    #[test]
    fn one_object_after_the_other_is_tried_in_growing_intervals_on_behalf_of_all() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        for number in 0..3 {
            outages.wait(&uid(number), blocked("database"), now);
        }
        assert_eq!(outages.take_news(), [OutageNews::Began(blocked("database"))]);
        let expected =
            [(1, 0), (3, 1), (6, 2), (9, 0), (12, 1)].map(|(second, number)| (second, uid(number)));
        assert_eq!(tried(&mut outages, now, 12), expected);
        assert_eq!(outages.next_due(), Some(now + 15 * SECOND));
    }

    #[test]
    fn one_that_gets_through_calls_all_that_wait_for_the_same() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        for number in 0..3 {
            outages.wait(&uid(number), blocked("database"), now);
        }
        outages.wait(&uid(7), blocked("another"), now);
        outages.take_news();
        let later = now + 5 * SECOND;
        assert_eq!(outages.end(&uid(1), "database", later), [uid(0), uid(2)]);
        let ended = OutageNews::Ended { cause: "database".into(), waiting: 3, after: 5 * SECOND };
        assert_eq!(outages.take_news(), [ended]);
        assert_eq!(outages.end(&uid(0), "database", later), [], "it is over only once");
        assert_eq!(tried(&mut outages, later, 3), [(1, uid(7)), (3, uid(7))]);
    }

    #[test]
    fn an_outage_that_lasts_is_reported_after_a_minute_and_ever_more_seldom() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        outages.wait(&uid(0), blocked("database"), now);
        outages.take_news();
        let reported: Vec<_> = (1..=600)
            .filter(|second| {
                outages.due(now + *second * SECOND);
                !outages.take_news().is_empty()
            })
            .collect();
        assert_eq!(reported, [60, 180, 420]);
    }

    #[test]
    fn one_that_comes_and_goes_is_told_once_a_minute_and_tried_ever_more_seldom() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        let (mut begun, mut ended) = (0, 0);
        for second in 0..120 {
            let now = now + second * SECOND;
            outages.wait(&uid(0), blocked("database"), now);
            outages.wait(&uid(1), blocked("database"), now);
            outages.due(now);
            outages.end(&uid(0), "database", now);
            for news in outages.take_news() {
                match news {
                    OutageNews::Began(_) => begun += 1,
                    OutageNews::Ended { .. } => ended += 1,
                    OutageNews::Lasts { .. } => panic!("it never lasts"),
                }
            }
        }
        assert_eq!((begun, ended), (2, 2));
    }

    #[test]
    fn one_that_comes_after_a_long_one_is_told_like_any_other() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        outages.wait(&uid(0), blocked("database"), now);
        (1..4000).for_each(|second| drop(outages.due(now + second * SECOND)));
        outages.end(&uid(0), "database", now + 4000 * SECOND);
        outages.take_news();
        let later = now + 4100 * SECOND;
        outages.wait(&uid(0), blocked("database"), later);
        assert_eq!(outages.take_news(), [OutageNews::Began(blocked("database"))]);
        assert_eq!(tried(&mut outages, later, 3), [(1, uid(0)), (3, uid(0))]);
    }

    #[test]
    fn objects_that_are_gone_are_waited_for_no_longer() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        outages.wait(&uid(0), blocked("database"), now);
        outages.wait(&uid(1), blocked("database"), now);
        outages.leave(&uid(0), "database", now);
        assert_eq!(tried(&mut outages, now, 3), [(1, uid(1)), (3, uid(1))]);
        outages.leave(&uid(1), "database", now);
        assert_eq!(outages.next_due(), None);
        assert_eq!(tried(&mut outages, now, 600), []);
    }

    #[test]
    fn a_cause_of_many_finds_room_among_those_of_single_objects() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        for number in 0..200 {
            outages.wait(&uid(number), blocked(&format!("conflict {number}")), now + number * SECOND);
        }
        let later = now + 300 * SECOND;
        for number in 200..250 {
            outages.wait(&uid(number), blocked("database"), later);
        }
        assert_eq!(outages.by_cause.len(), MOST_CAUSES);
        assert_eq!(outages.end(&uid(200), "database", later).len(), 49);
    }

    #[test]
    fn any_number_of_causes_takes_no_more_than_a_hundred_places() {
        let (mut outages, now) = (Outages::default(), Instant::now());
        for number in 0..1000 {
            outages.wait(&uid(number), blocked(&number.to_string()), now);
        }
        assert_eq!(outages.by_cause.len(), MOST_CAUSES);
        assert_eq!(outages.take_news().len(), 1000, "the others are told each time");
    }
}
