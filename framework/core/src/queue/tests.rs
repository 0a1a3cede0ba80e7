//! Tests of the queue, and its laws on random clusters.

mod census;
mod cluster;
mod departures;
mod events;
mod failures;
mod invariants;
mod laws;
mod ownership;
mod resumptions;
mod steps;
mod ticks;

use super::*;
use crate::{body::Body, cause::Occasion, version::Newest};
use serde_json::json;
use std::time::Duration;

const HERE: Source = Source { kind: 0, place: 0 };
/// Another namespace: a listing of the first one doesn't include it.
const THERE: Source = Source { kind: 0, place: 1 };

fn body(uid: &str, version: u64) -> Body {
    json!({"metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()}})
        .into()
}

fn applied(uid: &str, version: u64) -> Event {
    Event::Applied(body(uid, version))
}

/// Whether the next turn is for event handlers and timers alone.
fn is_partial(queue: &mut Queue) -> bool {
    queue.next_job().unwrap().extent == Extent::Partial
}

/// A queue for a kind with event handlers.
fn with_events() -> Queue {
    Queue::new([KindNeeds { events: true, ..KindNeeds::default() }])
}

fn ended(uid: &str, end: TurnEnd) -> TurnReport {
    TurnReport::new(uid, end)
}

fn seen(uid: &str, version: u64, due: Option<Duration>, now: Instant) -> TurnReport {
    let newest = Newest::written(&version.to_string(), now);
    ended(uid, at_rest(newest, due))
}

/// The end of a turn after which nothing is left to do until the next one is due.
fn at_rest(newest: Newest, due: Option<Duration>) -> TurnEnd {
    TurnEnd::Seen {
        newest,
        due,
        settled: true,
        resumed: due.is_none(),
        planned: true,
        called: true,
        waiting: None,
        blocked: Blockings::new(),
        got_past: Vec::new(),
        stored: false,
        generation: None,
    }
}

/// The uids and versions of all objects whose turn it is.
fn turns(queue: &mut Queue) -> Vec<(String, String)> {
    let jobs = std::iter::from_fn(|| queue.next_job());
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
fn an_object_has_at_most_one_running_job() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    assert_eq!(turns(&mut queue), [pair("a", "1")]);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), []);
    queue.finish(seen("a", 1, None, now), now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.occasion, job.body.version()), (Occasion::Changed, "2"));
}

#[test]
fn the_echo_of_our_own_write_is_ignored_whenever_it_arrives() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, applied("a", 5), now);
    queue.finish(seen("a", 6, None, now), now);
    queue.observe(HERE, applied("a", 6), now);
    assert_eq!(turns(&mut queue), []);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn a_change_after_our_own_write_is_handled() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, applied("a", 7), now);
    queue.finish(seen("a", 6, None, now), now);
    assert_eq!(turns(&mut queue), [pair("a", "7")]);
}

#[test]
fn an_object_missing_from_a_listing_counts_as_deleted() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (source, event) in [(HERE, applied("a", 1)), (HERE, applied("b", 2)), (THERE, applied("c", 3))] {
        queue.observe(source, event, now);
    }
    while let Some(job) = queue.next_job() {
        queue.finish(seen(job.body.uid(), 3, None, now), now);
    }
    for event in [Event::Listing, Event::Listed(body("b", 2)), Event::ListingDone] {
        queue.observe(HERE, event, now);
    }
    let job = queue.next_job().unwrap();
    assert_eq!((job.body.uid(), job.body.name(), job.gone), ("a", "a", true));
    assert!(queue.next_job().is_none());
}

#[test]
fn the_objects_of_a_place_go_with_it_and_those_of_another_stay() {
    let (mut queue, now) = (with_events(), Instant::now());
    for (source, event) in [(HERE, applied("a", 1)), (HERE, applied("b", 2)), (THERE, applied("c", 3))] {
        queue.observe(source, event, now);
    }
    while let Some(job) = queue.next_job() {
        queue.finish(seen(job.body.uid(), 3, Some(Duration::from_secs(60)), now), now);
    }
    // In the middle of a listing.
    for event in [Event::Listing, Event::Listed(body("a", 3)), Event::Withdrawn] {
        queue.observe(HERE, event, now);
    }
    while let Some(job) = queue.next_job() {
        assert_eq!((job.gone, job.event), (true, Some(WatchEventType::Deleted)));
        queue.finish(ended(job.body.uid(), TurnEnd::Gone), now);
    }
    assert_eq!(queue.take_forgotten(), ["a", "b"].map(Uid::from));
    assert_eq!(queue.objects.len(), 1);
    queue.observe(HERE, Event::Listed(body("a", 4)), now);
    assert_eq!(turns(&mut queue), [pair("a", "4")], "it is a new one");
}

#[test]
fn a_deletion_is_never_mistaken_for_an_echo() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.finish(seen("a", 9, None, now), now);
    assert!(queue.next_job().unwrap().gone);
    queue.finish(ended("a", TurnEnd::Gone), now);
    assert!(queue.objects.is_empty());
}

#[test]
fn late_events_do_not_revive_an_object_that_a_worker_found_gone() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(ended("a", TurnEnd::Gone), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), []);
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    assert!(queue.objects.is_empty());
}

#[test]
fn a_retry_starts_when_it_is_due_or_when_the_object_changes() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for uid in ["a", "b"] {
        queue.observe(HERE, applied(uid, 1), now);
        queue.next_job().unwrap();
        queue.finish(seen(uid, 2, Some(Duration::from_secs(10)), now), now);
    }
    queue.observe(HERE, applied("b", 3), now);
    assert_eq!(turns(&mut queue), [pair("b", "3")]);
    assert_eq!(queue.next_due(), Some(now + Duration::from_secs(10)));
    queue.expire(now + Duration::from_secs(10));
    let job = queue.next_job().unwrap();
    assert_eq!((job.body.uid(), job.fetch, job.occasion), ("a", true, Occasion::Again));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn only_names_are_stored_above_the_budget() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let heavy = |uid: &str| {
        let mut value = body(uid, 1).value().clone();
        value["spec"] = "x".repeat(QueueLimits::default().budget / 2).into();
        Event::Applied(value.into())
    };
    for uid in ["a", "b", "c"] {
        queue.observe(HERE, heavy(uid), now);
    }
    let fetched: Vec<_> = std::iter::from_fn(|| queue.next_job()).map(|job| job.fetch).collect();
    assert_eq!(fetched, [false, true, true]);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn a_long_backlog_is_stored_as_text_and_comes_out_as_it_came() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let object = |number: u64| {
        let mut value = body(&format!("o{number}"), number).value().clone();
        value["spec"] =
            json!({"list": [1, -2, 3.5, 1e300, u64::MAX, i64::MIN, null, true, "é\n"], "empty": {}});
        Body::from(value)
    };
    // As whole values, they would exceed the budget.
    let limits = QueueLimits { budget: 300 << 10, ..QueueLimits::default() };
    queue = queue.with_limits(limits.clone());
    for number in 1..=1000 {
        queue.observe(HERE, Event::Applied(object(number)), now);
    }
    assert!(queue.backlog.bytes() <= limits.budget);
    for number in 1..=1000 {
        let job = queue.next_job().unwrap();
        assert_eq!((job.body, job.fetch), (object(number), false));
    }
}

#[test]
fn an_object_first_seen_in_a_listing_is_initial_until_it_is_handled() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    queue.observe(HERE, applied("b", 2), now);
    let resumed: Vec<_> = std::iter::from_fn(|| queue.next_job()).map(|job| job.resumption).collect();
    assert_eq!(resumed, [Some(Resumption::Start), None]);
    queue.finish(seen("a", 1, None, now), now);
    queue.observe(HERE, Event::Listed(body("a", 4)), now);
    assert_eq!(queue.next_job().unwrap().resumption, None);
}

#[test]
fn a_state_older_than_one_known_for_long_is_read_from_the_api_server() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 9), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 9, None, now), now);
    queue.observe(HERE, applied("a", 8), now + Duration::from_secs(59));
    assert!(queue.next_job().is_none());
    queue.observe(HERE, applied("a", 8), now + Duration::from_secs(60));
    assert!(queue.next_job().unwrap().fetch);
}

#[test]
fn a_deletion_is_not_lost_when_a_delay_ends() {
    let (mut queue, now) = (with_events(), Instant::now());
    let delay = Duration::from_secs(5);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    let newest = Some(Newest::written("2", now));
    queue.finish(ended("a", TurnEnd::Failed { delay, newest }), now);
    queue.observe(HERE, applied("a", 2), now);
    assert!(is_partial(&mut queue));
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    queue.expire(now + delay);
    queue.finish(ended("a", TurnEnd::Partial { due: None }), now + delay);
    let job = queue.next_job().unwrap();
    assert_eq!((job.gone, job.event), (true, Some(WatchEventType::Deleted)));
}

#[test]
fn an_older_event_after_a_deletion_does_not_hide_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.observe(HERE, applied("a", 3), now);
    assert!(queue.next_job().unwrap().gone);
}

#[test]
fn a_doubtful_version_that_arrives_during_a_turn_is_read_after_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 9), now);
    queue.next_job().unwrap();
    let later = now + Duration::from_secs(60);
    for version in [3, 4] {
        queue.observe(HERE, applied("a", version), later);
    }
    queue.finish(seen("a", 9, None, later), later);
    assert!(queue.next_job().unwrap().fetch);
    queue.finish(seen("a", 4, None, later), later);
    queue.observe(HERE, applied("a", 5), later);
    assert_eq!(turns(&mut queue), [pair("a", "5")]);
}

#[test]
fn an_object_that_matches_the_selector_again_while_a_worker_removes_it_is_handled() {
    for (shown, back) in [(applied("a", 3), true), (Event::Deleted(body("a", 3)), false)] {
        let needs = KindNeeds { selected: true, ..KindNeeds::default() };
        let (mut queue, now) = (Queue::new([needs]), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next_job().unwrap();
        queue.finish(seen("a", 1, None, now), now);
        queue.observe(HERE, Event::Deleted(body("a", 2)), now);
        assert!(queue.next_job().unwrap().gone);
        queue.observe(HERE, shown.clone(), now);
        queue.finish(ended("a", TurnEnd::Gone), now);
        queue.check();
        let job = queue.next_job();
        assert_eq!(job.is_some_and(|job| !job.gone && job.body.version() == "3"), back, "{shown:?}");
        assert_eq!(queue.objects.len(), usize::from(back));
    }
}

#[test]
fn forgotten_objects_are_reported_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.finish(ended("a", TurnEnd::Gone), now);
    assert_eq!(queue.take_forgotten(), [Uid::from("a")]);
    assert_eq!(queue.take_forgotten(), []);
}

#[test]
fn after_a_change_of_the_crd_an_object_of_the_same_version_may_be_another_one() {
    for (listing, expected) in [(Event::Listing, vec![]), (Event::ListingRevised, vec![pair("a", "3")])] {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.observe(HERE, applied("a", 2), now);
        let job = queue.next_job().unwrap();
        queue.finish(seen(job.body.uid(), 3, None, now), now);
        for event in [listing.clone(), Event::Listed(body("a", 3)), Event::ListingDone] {
            queue.observe(HERE, event, now);
        }
        assert_eq!(turns(&mut queue), expected, "{listing:?}");
    }
}

#[test]
fn a_listing_behind_a_change_of_the_crd_shows_no_state_from_before_our_own_write() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 2), now);
    let job = queue.next_job().unwrap();
    queue.finish(seen(job.body.uid(), 5, None, now), now);
    for event in [Event::ListingRevised, Event::Listed(body("a", 3)), Event::ListingDone] {
        queue.observe(HERE, event, now);
    }
    assert_eq!(turns(&mut queue), []);
}

#[test]
fn objects_without_turns_are_known_until_they_are_gone() {
    let needs = KindNeeds { turnless: true, ..KindNeeds::default() };
    let (mut queue, now) = (Queue::new([needs]), Instant::now());
    for uid in ["a", "b", "c"] {
        queue.observe(HERE, applied(uid, 1), now);
    }
    queue.observe(HERE, Event::Deleted(body("c", 2)), now);
    assert!(queue.next_job().is_none());
    assert_eq!(
        (queue.objects.len(), queue.backlog.bytes(), queue.take_forgotten()),
        (2, 0, vec!["c".into()])
    );
    queue.observe(HERE, Event::Listing, now);
    queue.observe(HERE, Event::Listed(body("b", 2)), now);
    let gone = queue.observe(HERE, Event::ListingDone, now);
    assert_eq!(gone.iter().map(Body::uid).collect::<Vec<_>>(), ["a"]);
    assert!(queue.next_job().is_none());
    assert_eq!(queue.objects.len(), 1);
}

#[test]
fn what_a_listing_no_longer_shows_is_reported_unless_its_deletion_was_shown() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (source, uid) in [(HERE, "a"), (HERE, "b"), (HERE, "c"), (THERE, "d")] {
        queue.observe(source, applied(uid, 1), now);
    }
    assert_eq!(queue.observe(HERE, Event::Deleted(body("b", 2)), now), []);
    queue.observe(HERE, Event::Listing, now);
    queue.observe(HERE, Event::Listed(body("c", 3)), now);
    let gone = queue.observe(HERE, Event::ListingDone, now);
    assert_eq!(gone.iter().map(|gone| (gone.uid(), gone.name())).collect::<Vec<_>>(), [("a", "a")]);
    let withdrawn = queue.observe(HERE, Event::Withdrawn, now);
    assert_eq!(withdrawn.iter().map(Body::uid).collect::<Vec<_>>(), ["c"]);
}
