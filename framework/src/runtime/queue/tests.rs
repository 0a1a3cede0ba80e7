mod breakdowns;
mod checks;
mod cluster;
mod laws;
mod raw;
mod steps;

use super::*;
use crate::core::cycle::Look;
use backlog::BUDGET;
use serde_json::json;
use std::time::Duration;

const HERE: Source = Source { kind: 0, place: 0 };
/// Another namespace; what a listing of one shows says nothing of the other.
const THERE: Source = Source { kind: 0, place: 1 };

fn body(uid: &str, version: u64) -> Body {
    json!({"metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()}})
        .into()
}

fn applied(uid: &str, version: u64) -> Event {
    Event::Applied(body(uid, version))
}

fn ended(uid: &str, end: Finish) -> Done {
    Done { uid: uid.into(), end, told: Told::default() }
}

fn seen(uid: &str, version: u64, due: Option<Duration>, now: Instant) -> Done {
    let newest = Newest::written(&version.to_string(), now);
    ended(uid, Finish::Seen { newest, due, settled: true, planned: true, waiting: None })
}

/// The uids and versions of all that has a turn now.
fn turns(queue: &mut Queue) -> Vec<(String, String)> {
    let jobs = std::iter::from_fn(|| queue.next());
    jobs.map(|job| (job.body.uid().to_owned(), job.body.version().to_owned())).collect()
}

fn pair(uid: &str, version: &str) -> (String, String) {
    (uid.into(), version.into())
}

#[test]
fn a_burst_of_changes_is_one_job_with_the_newest_state() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for event in [applied("a", 1), applied("b", 2), applied("a", 3)] {
        queue.observe(HERE, event, now);
    }
    assert_eq!(turns(&mut queue), [pair("a", "3"), pair("b", "2")]);
}

#[test]
fn an_object_has_no_second_job_while_one_runs() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    assert_eq!(turns(&mut queue), [pair("a", "1")]);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), []);
    queue.finish(seen("a", 1, None, now), now);
    let job = queue.next().unwrap();
    assert_eq!((job.look, job.body.version()), (Look::Changed, "2"));
}

#[test]
fn the_echo_of_our_own_write_is_no_news_whenever_it_comes() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.observe(HERE, applied("a", 5), now);
    queue.finish(seen("a", 6, None, now), now);
    queue.observe(HERE, applied("a", 6), now);
    assert_eq!(turns(&mut queue), []);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn a_change_behind_our_own_write_is_news() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.observe(HERE, applied("a", 7), now);
    queue.finish(seen("a", 6, None, now), now);
    assert_eq!(turns(&mut queue), [pair("a", "7")]);
}

#[test]
fn what_a_listing_does_not_show_was_deleted_meanwhile() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (source, event) in [(HERE, applied("a", 1)), (HERE, applied("b", 2)), (THERE, applied("c", 3))] {
        queue.observe(source, event, now);
    }
    while let Some(job) = queue.next() {
        queue.finish(seen(job.body.uid(), 3, None, now), now);
    }
    for event in [Event::Listing, Event::Listed(body("b", 2)), Event::ListingDone] {
        queue.observe(HERE, event, now);
    }
    let job = queue.next().unwrap();
    assert_eq!((job.body.uid(), job.body.name(), job.gone), ("a", "a", true));
    assert!(queue.next().is_none());
}

#[test]
fn a_deletion_is_never_taken_for_an_echo() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.finish(seen("a", 9, None, now), now);
    assert!(queue.next().unwrap().gone);
    queue.finish(ended("a", Finish::Gone), now);
    assert!(queue.objects.is_empty());
}

#[test]
fn late_news_of_an_object_that_a_worker_found_gone_do_not_bring_it_back() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(ended("a", Finish::Gone), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), []);
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    assert!(queue.objects.is_empty());
}

#[test]
fn a_retry_comes_when_it_is_due_or_when_something_changes() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for uid in ["a", "b"] {
        queue.observe(HERE, applied(uid, 1), now);
        queue.next().unwrap();
        queue.finish(seen(uid, 2, Some(Duration::from_secs(10)), now), now);
    }
    queue.observe(HERE, applied("b", 3), now);
    assert_eq!(turns(&mut queue), [pair("b", "3")]);
    assert_eq!(queue.next_timer(), Some(now + Duration::from_secs(10)));
    queue.expire(now + Duration::from_secs(10));
    let job = queue.next().unwrap();
    assert_eq!((job.body.uid(), job.fetch, job.look), ("a", true, Look::Again));
    assert_eq!(queue.next_timer(), None);
}

#[test]
fn above_the_budget_only_names_are_kept() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let heavy = |uid: &str| {
        let mut value = body(uid, 1).value().clone();
        value["spec"] = "x".repeat(BUDGET / 2).into();
        Event::Applied(value.into())
    };
    for uid in ["a", "b", "c"] {
        queue.observe(HERE, heavy(uid), now);
    }
    let fetched: Vec<_> = std::iter::from_fn(|| queue.next()).map(|job| job.fetch).collect();
    assert_eq!(fetched, [false, true, true]);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn an_object_that_a_listing_shows_first_is_initial_until_it_was_handled() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    queue.observe(HERE, applied("b", 2), now);
    let initial: Vec<_> = std::iter::from_fn(|| queue.next()).map(|job| job.initial).collect();
    assert_eq!(initial, [true, false]);
    queue.finish(seen("a", 1, None, now), now);
    queue.observe(HERE, Event::Listed(body("a", 4)), now);
    assert!(!queue.next().unwrap().initial);
}

#[test]
fn an_older_state_than_one_known_for_long_is_read_from_the_api_server() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 9), now);
    queue.next().unwrap();
    queue.finish(seen("a", 9, None, now), now);
    queue.observe(HERE, applied("a", 8), now + Duration::from_secs(59));
    assert!(queue.next().is_none());
    queue.observe(HERE, applied("a", 8), now + Duration::from_secs(60));
    assert!(queue.next().unwrap().fetch);
}

#[test]
fn a_deletion_is_not_lost_to_the_end_of_a_delay() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    let delay = Duration::from_secs(5);
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    let newest = Some(Newest::written("2", now));
    queue.finish(ended("a", Finish::Broken { delay, newest }), now);
    queue.observe(HERE, applied("a", 2), now);
    assert!(queue.next().unwrap().echo);
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    queue.expire(now + delay);
    queue.finish(ended("a", Finish::Spied { due: None }), now + delay);
    let job = queue.next().unwrap();
    assert_eq!((job.gone, job.event), (true, Some(EventType::Deleted)));
}

#[test]
fn older_news_that_come_behind_a_deletion_do_not_hide_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.observe(HERE, applied("a", 3), now);
    assert!(queue.next().unwrap().gone);
}

#[test]
fn doubts_that_come_while_a_worker_is_busy_outlast_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 9), now);
    queue.next().unwrap();
    let later = now + Duration::from_secs(60);
    for version in [3, 4] {
        queue.observe(HERE, applied("a", version), later);
    }
    queue.finish(seen("a", 9, None, later), later);
    assert!(queue.next().unwrap().fetch);
    queue.finish(seen("a", 4, None, later), later);
    queue.observe(HERE, applied("a", 5), later);
    assert_eq!(turns(&mut queue), [pair("a", "5")]);
}

#[test]
fn what_a_narrow_watch_shows_again_while_a_worker_takes_it_for_gone_is_looked_at() {
    for (shown, back) in [(applied("a", 3), true), (Event::Deleted(body("a", 3)), false)] {
        let (mut queue, now) = (Queue::default().narrowed([0]), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next().unwrap();
        queue.finish(seen("a", 1, None, now), now);
        queue.observe(HERE, Event::Deleted(body("a", 2)), now);
        assert!(queue.next().unwrap().gone);
        queue.observe(HERE, shown.clone(), now);
        queue.finish(ended("a", Finish::Gone), now);
        queue.check();
        let job = queue.next();
        assert_eq!(job.is_some_and(|job| !job.gone && job.body.version() == "3"), back, "{shown:?}");
        assert_eq!(queue.objects.len(), usize::from(back));
    }
}
