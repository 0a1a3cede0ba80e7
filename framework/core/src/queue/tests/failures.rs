//! Turns that fail inside the framework, and objects that can't be read.

use super::*;

#[test]
fn internal_failures_are_retried_and_counted() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    for errors in 0..3 {
        let job = queue.next_job().unwrap();
        assert_eq!((job.occasion, job.errors), (Occasion::First, errors));
        let delay = Duration::from_secs(5);
        queue.finish(ended("a", TurnEnd::Failed { delay, newest: None }), now);
        now += delay;
        assert_eq!(queue.next_due(), Some(now));
        queue.expire(now);
    }
}

#[test]
fn an_object_is_throttled_after_an_internal_failure_and_then_handled_in_its_newest_state() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let delay = Duration::from_secs(5);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, applied("a", 5), now);
    let newest = Some(Newest::written("6", now));
    queue.finish(ended("a", TurnEnd::Failed { delay, newest }), now);
    queue.observe(HERE, applied("a", 7), now);
    assert!(queue.next_job().is_none());
    queue.expire(now + delay);
    assert_eq!(turns(&mut queue), [pair("a", "7")]);
}

#[test]
fn a_first_look_is_repeated_only_if_it_never_ended_in_a_plan() {
    let (delay, now) = (Duration::from_secs(5), Instant::now());
    let failed = |newest| ended("a", TurnEnd::Failed { delay, newest });
    let throttled = || failed(Some(Newest::written("2", now)));
    let cases = [
        (vec![failed(None)], Occasion::First),
        (vec![throttled()], Occasion::Again),
        (vec![throttled(), failed(None)], Occasion::Again),
        (vec![seen("a", 2, Some(delay), now), failed(None)], Occasion::Again),
        (vec![failed(None), seen("a", 2, Some(delay), now)], Occasion::Again),
    ];
    for (turns, occasion) in cases {
        let mut queue = Queue::default();
        queue.observe(HERE, applied("a", 1), now);
        assert_eq!(queue.next_job().unwrap().occasion, Occasion::First);
        let mut last = None;
        for turn in turns.clone() {
            queue.finish(turn, now);
            queue.expire(now + delay);
            last = queue.next_job();
        }
        assert_eq!(last.unwrap().occasion, occasion, "{turns:?}");
    }
}

#[test]
fn an_object_that_could_not_be_read_is_handled_as_soon_as_the_watch_shows_it() {
    let delay = Duration::from_secs(5);
    let cases = [
        (Event::Applied(body("a", 2)), true),
        (Event::Deleted(body("a", 2)), true),
        // It is older than the known version, and has to be read.
        (Event::Applied(body("a", 0)), false),
    ];
    for (event, handled) in cases {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next_job().unwrap();
        queue.finish(seen("a", 1, Some(delay), now), now);
        let later = now + Duration::from_secs(60);
        queue.expire(later);
        assert!(queue.next_job().unwrap().fetch);
        queue.finish(ended("a", TurnEnd::Unread { delay }), later);
        queue.observe(HERE, event.clone(), later);
        assert_eq!(queue.next_job().is_some(), handled, "{event:?}");
        queue.check();
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// A turn whose handler waits for the database, and is due much later.
fn waits_for_the_database(uid: &str, version: u64, now: Instant) -> TurnReport {
    let mut report = seen(uid, version, Some(HOUR), now);
    if let TurnEnd::Seen { blocked, .. } = &mut report.end {
        blocked.insert("h".into(), Blocked { cause: "db".into(), delay: HOUR, why: "away".into() });
    }
    report
}

#[test]
fn an_object_that_is_at_work_when_an_outage_ends_has_another_turn_for_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for uid in ["a", "b"] {
        queue.observe(HERE, applied(uid, 1), now);
        queue.next_job().unwrap();
        queue.finish(waits_for_the_database(uid, 1, now), now);
    }
    // One of them is at work when the other one gets past what both wait for.
    queue.observe(HERE, applied("b", 2), now);
    queue.next_job().unwrap();
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    let mut past = seen("a", 2, None, now);
    if let TurnEnd::Seen { got_past, .. } = &mut past.end {
        got_past.push("db".into());
    }
    queue.finish(past, now);
    assert!(queue.next_job().is_none());
    queue.finish(waits_for_the_database("b", 2, now), now);
    let job = queue.next_job().expect("it has its turn now, and not in an hour");
    assert_eq!((job.body.uid(), job.early), ("b", vec!["h".into()]));
}
