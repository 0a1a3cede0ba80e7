//! Timer ticks.

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);

/// A queue for a kind with timers, with one object whose timer is due after an interval.
fn ticking(now: Instant) -> Queue {
    let mut queue = Queue::new([KindNeeds { bodies: true, ..KindNeeds::default() }]);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(handled(1, None, now), now);
    queue
}

fn handled(version: u64, due: Option<Duration>, now: Instant) -> TurnReport {
    TurnReport { tick: NextTick::At(now + INTERVAL), ..seen("a", version, due, now) }
}

fn ticked(now: Instant) -> TurnReport {
    TurnReport { tick: NextTick::At(now + INTERVAL), ..ended("a", TurnEnd::Partial { due: None }) }
}

#[test]
fn a_tick_of_an_idle_object_is_a_partial_turn_without_a_read() {
    let mut now = Instant::now();
    let mut queue = ticking(now);
    for _ in 0..3 {
        assert!(queue.next_job().is_none());
        assert_eq!(queue.next_due(), Some(now + INTERVAL));
        now += INTERVAL;
        queue.expire(now);
        let job = queue.next_job().unwrap();
        let expected = (true, false, Extent::Partial, Occasion::Again, "1");
        assert_eq!((job.tick, job.fetch, job.extent, job.occasion, job.body.version()), expected);
        queue.finish(ticked(now), now);
    }
}

#[test]
fn a_tick_sees_the_newest_state_including_our_own_writes() {
    let now = Instant::now();
    let mut queue = ticking(now);
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    queue.finish(TurnReport { body: Some(body("a", 3)), ..handled(3, None, now) }, now);
    queue.expire(now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.body.version()), (true, "3"));
    queue.observe(HERE, applied("a", 2), now);
    queue.observe(HERE, applied("a", 3), now);
    queue.finish(ticked(now + INTERVAL), now + INTERVAL);
    queue.expire(now + INTERVAL + INTERVAL);
    assert_eq!(queue.next_job().unwrap().body.version(), "3");
}

/// An object that is being deleted, with a finalizer or without.
fn deleting(version: u64, finalizers: &[&str]) -> Body {
    let mut value = body("a", version).value().clone();
    value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    value["metadata"]["finalizers"] = json!(finalizers);
    value.into()
}

#[test]
fn a_state_from_before_our_own_release_of_an_object_is_not_retained_though_its_version_is_the_same() {
    let now = Instant::now();
    let mut queue = ticking(now);
    queue.observe(HERE, Event::Applied(deleting(2, &["f"])), now);
    queue.next_job().unwrap();
    queue.finish(TurnReport { body: Some(deleting(3, &[])), ..handled(3, None, now) }, now);
    queue.observe(HERE, Event::Applied(deleting(3, &["f"])), now);
    queue.expire(now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.body.version(), job.body.finalizers().count()), ("3", 0));
}

#[test]
fn a_tick_shares_a_whole_turn_with_a_change_or_a_retry() {
    for change in [true, false] {
        let now = Instant::now();
        let mut queue = ticking(now);
        if change {
            queue.observe(HERE, applied("a", 5), now);
        } else {
            queue.observe(HERE, applied("a", 5), now);
            queue.next_job().unwrap();
            queue.finish(handled(5, Some(INTERVAL), now), now);
        }
        queue.expire(now + INTERVAL);
        let job = queue.next_job().unwrap();
        // A retry reads the object: it may follow a conflict.
        assert_eq!((job.tick, job.extent, job.fetch), (true, Extent::Whole, !change), "a change: {change}");
        assert!(queue.next_job().is_none());
    }
}

#[test]
fn a_tick_that_becomes_due_during_a_turn_is_not_lost() {
    let now = Instant::now();
    let mut queue = ticking(now);
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    queue.expire(now + INTERVAL);
    queue.finish(seen("a", 2, None, now), now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.extent), (true, Extent::Partial));
}

#[test]
fn an_object_that_is_gone_has_no_further_ticks() {
    let now = Instant::now();
    let mut queue = ticking(now);
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.next_job().unwrap();
    queue.finish(ended("a", TurnEnd::Gone), now);
    assert_eq!(queue.next_due(), None);
    queue.expire(now + INTERVAL);
    assert!(queue.next_job().is_none());
}

#[test]
fn a_throttled_object_does_not_tick_before_its_delay_ends() {
    let now = Instant::now();
    let mut queue = ticking(now);
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    let end = TurnEnd::Failed { delay: INTERVAL + INTERVAL, newest: None };
    queue.finish(ended("a", end), now);
    queue.expire(now + INTERVAL);
    assert!(queue.next_job().is_none());
    queue.expire(now + INTERVAL + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.extent), (true, Extent::Whole));
}

/// A queue as above, whose object's handlers wait for a retry.
fn waiting(now: Instant) -> Queue {
    let mut queue = ticking(now);
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    let mut report = handled(2, Some(INTERVAL * 100), now);
    if let TurnEnd::Seen { waiting, .. } = &mut report.end {
        *waiting = Some(Fingerprint { whole: 1, state: 1 });
    }
    queue.finish(report, now);
    queue
}

#[test]
fn a_tick_of_an_object_whose_handlers_wait_for_a_retry_reads_nothing() {
    let now = Instant::now();
    let mut queue = waiting(now);
    queue.expire(now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.extent, job.fetch), (true, Extent::Partial, false));
}

#[test]
fn ticks_and_daemons_go_on_while_the_object_can_not_be_read_for_its_handlers() {
    let mut now = Instant::now();
    let mut queue = waiting(now);
    queue.expire(now + INTERVAL * 100);
    now += INTERVAL * 100;
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.extent, job.fetch), (true, Extent::Whole, true));
    let unread = TurnEnd::Unread { delay: INTERVAL * 3 };
    queue.finish(TurnReport { tick: NextTick::At(now), ..ended("a", unread) }, now);
    for by_daemon in [false, true] {
        if by_daemon {
            queue.wake(&"a".into(), Extent::Partial);
        } else {
            queue.expire(now);
        }
        let job = queue.next_job().unwrap();
        assert_eq!((job.tick, job.extent, job.fetch), (true, Extent::Partial, false));
        queue.finish(ticked(now), now);
        now += INTERVAL;
    }
    queue.observe(HERE, applied("a", 3), now);
    queue.expire(now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.extent, job.fetch), (true, Extent::Whole, false), "it needs no read");
}

#[test]
fn a_tick_never_sees_a_state_from_before_our_own_write() {
    let now = Instant::now();
    let needs = KindNeeds { bodies: true, events: true, ..KindNeeds::default() };
    let mut queue = Queue::new([needs]);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(TurnReport { body: Some(body("a", 3)), ..handled(3, None, now) }, now);
    // Others have changed it before our write; event handlers are called for that, too.
    queue.observe(HERE, applied("a", 2), now);
    queue.expire(now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.event.is_some(), job.body.version()), (false, true, "2"));
    queue.finish(ended("a", TurnEnd::Partial { due: None }), now + INTERVAL);
    let job = queue.next_job().unwrap();
    assert_eq!((job.tick, job.event, job.body.version(), job.fetch), (true, None, "3", false));
}

#[test]
fn an_object_that_is_woken_has_a_whole_turn_even_if_it_is_at_work_and_nothing_is_new() {
    let now = Instant::now();
    for at_work in [false, true] {
        let mut queue = ticking(now);
        if at_work {
            queue.observe(HERE, applied("a", 2), now);
            queue.next_job().unwrap();
        }
        queue.wake(&"a".into(), Extent::Whole);
        if at_work {
            assert!(queue.next_job().is_none());
            queue.finish(handled(2, None, now), now);
        }
        let job = queue.next_job().unwrap();
        assert_eq!((job.extent, job.fetch), (Extent::Whole, true));
        queue.finish(handled(2, None, now), now);
        assert!(queue.next_job().is_none());
    }
}
