//! Event handlers in the queue.

use super::*;

/// The events for event handlers, and whether the turn is for them alone.
fn events(queue: &mut Queue) -> Vec<(Option<WatchEventType>, bool)> {
    std::iter::from_fn(|| queue.next_job()).map(|job| (job.event, job.extent == Extent::Partial)).collect()
}

#[test]
fn an_echo_is_only_for_event_handlers() {
    let (mut queue, now) = (with_events(), Instant::now());
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    assert_eq!(events(&mut queue), [(Some(WatchEventType::Listed), false)]);
    queue.finish(seen("a", 2, Some(Duration::from_secs(10)), now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(events(&mut queue), [(Some(WatchEventType::Modified), true)]);
    let later = now + Duration::from_secs(4);
    queue.finish(ended("a", TurnEnd::Partial { due: None }), later);
    assert_eq!(queue.next_due(), Some(now + Duration::from_secs(10)));
    queue.observe(HERE, applied("b", 3), now);
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    assert_eq!(
        events(&mut queue),
        [(Some(WatchEventType::Added), false), (Some(WatchEventType::Deleted), false)]
    );
}

#[test]
fn an_echo_does_not_cancel_a_queued_retry() {
    let (mut queue, now) = (with_events(), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 2, Some(due), now), now);
    queue.expire(now + due);
    queue.observe(HERE, applied("a", 2), now + due);
    let job = queue.next_job().unwrap();
    assert_eq!(
        (job.event, job.fetch, job.extent == Extent::Partial),
        (Some(WatchEventType::Modified), true, false)
    );
}

#[test]
fn only_the_last_of_several_echoes_is_delivered() {
    let (mut queue, now) = (with_events(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    // A listing shows it again, followed by the echo of the worker's write.
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    queue.finish(seen("a", 2, None, now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), [pair("a", "2")]);
}

#[test]
fn an_echo_does_not_cancel_a_scheduled_retry() {
    let (mut queue, now) = (with_events(), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    // The echo arrives before the turn ends.
    queue.observe(HERE, applied("a", 2), now);
    queue.finish(seen("a", 2, Some(due), now), now);
    assert_eq!(events(&mut queue), [(Some(WatchEventType::Modified), true)]);
    queue.finish(ended("a", TurnEnd::Partial { due: None }), now);
    assert_eq!(queue.next_due(), Some(now + due));
    // The retry becomes due while an echo is queued.
    queue.observe(HERE, applied("a", 2), now);
    queue.expire(now + due);
    let job = queue.next_job().unwrap();
    assert_eq!((job.fetch, job.extent == Extent::Partial), (true, false));
    // The retry becomes due while event handlers run.
    queue.finish(seen("a", 2, Some(due), now), now + due);
    queue.observe(HERE, applied("a", 2), now);
    assert!(is_partial(&mut queue));
    queue.expire(now + due + due);
    queue.finish(ended("a", TurnEnd::Partial { due: None }), now);
    assert!(queue.next_job().unwrap().fetch);
}

#[test]
fn event_handlers_receive_a_version_that_our_own_write_has_overtaken() {
    let (mut queue, now) = (with_events(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.observe(HERE, applied("a", 2), now);
    queue.finish(seen("a", 3, None, now), now);
    assert_eq!(events(&mut queue), [(Some(WatchEventType::Modified), true)]);
    queue.finish(seen("a", 3, None, now), now);
    assert_eq!(events(&mut queue), []);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn an_object_that_a_worker_found_gone_has_no_further_turn() {
    let (mut queue, now) = (with_events(), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 2, Some(due), now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert!(is_partial(&mut queue));
    queue.finish(ended("a", TurnEnd::Gone), now);
    queue.expire(now + due);
    assert!(queue.next_job().is_none());
    queue.observe(HERE, applied("a", 3), now + due);
    assert!(queue.next_job().is_none());
}

#[test]
fn a_retry_after_an_echo_is_not_delayed() {
    let seconds = Duration::from_secs;
    for (retry, due) in [(None, 30), (Some(seconds(10)), 10), (Some(seconds(50)), 30)] {
        let (mut queue, now) = (with_events(), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next_job().unwrap();
        queue.finish(seen("a", 2, retry, now), now);
        queue.observe(HERE, applied("a", 2), now);
        assert!(is_partial(&mut queue));
        queue.finish(ended("a", TurnEnd::Partial { due: Some(seconds(30)) }), now);
        assert_eq!(queue.next_due(), Some(now + seconds(due)), "a retry after {retry:?}");
    }
}

fn labelled(version: u64, app: &str) -> Body {
    let mut value = body("a", version).value().clone();
    value["metadata"]["labels"] = json!({"app": app});
    value.into()
}

#[test]
fn a_deletion_found_by_a_listing_is_delivered_with_the_newest_labels() {
    let cases = [
        ("an older event arrives late", vec![labelled(2, "old"), labelled(1, "older")], 2, "old"),
        ("the echo of our own write arrives", vec![labelled(1, "old"), labelled(4, "new")], 4, "new"),
    ];
    for (name, events, version, delivered) in cases {
        let (mut queue, now) = (with_events(), Instant::now());
        for body in events {
            queue.observe(HERE, Event::Applied(body), now);
            if let Some(job) = queue.next_job() {
                queue.finish(seen(job.body.uid(), version, None, now), now);
            }
        }
        for event in [Event::Listing, Event::ListingDone] {
            queue.observe(HERE, event, now);
        }
        let job = std::iter::from_fn(|| queue.next_job()).last().unwrap();
        assert_eq!(
            (job.gone, &job.body.value()["metadata"]["labels"]["app"]),
            (true, &json!(delivered)),
            "{name}"
        );
    }
}

#[test]
fn a_deletion_delivered_later_has_the_whole_last_state() {
    let (mut queue, now) = (with_events(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    let mut last = body("a", 2).value().clone();
    last["spec"] = json!({"size": 1});
    queue.observe(HERE, Event::Deleted(last.clone().into()), now);
    let event = queue.next_job().unwrap().event;
    let delay = Duration::from_secs(5);
    queue.finish(TurnReport { undelivered: event, ..ended("a", TurnEnd::Unread { delay }) }, now);
    queue.expire(now + delay);
    let job = queue.next_job().unwrap();
    assert_eq!((job.gone, job.event, job.body.value()), (true, Some(WatchEventType::Deleted), &last));
}

#[test]
fn a_listing_does_not_change_the_last_state_of_a_queued_deletion() {
    let (mut queue, now) = (with_events(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    for event in [Event::Deleted(labelled(2, "last")), Event::Listing, Event::ListingDone] {
        queue.observe(HERE, event, now);
    }
    assert_eq!(queue.next_job().unwrap().body.value(), labelled(2, "last").value());
}

#[test]
fn an_object_that_two_kinds_show_is_one_of_the_first() {
    let needs = KindNeeds { events: true, ..KindNeeds::default() };
    let (mut queue, now) = (Queue::new([needs]), Instant::now());
    let other = Source { kind: 1, place: 0 };
    queue.set_kind(1, needs);
    queue.observe(HERE, applied("a", 1), now);
    for event in
        [Event::Listing, Event::Listed(body("a", 2)), Event::ListingDone, Event::Deleted(body("a", 3))]
    {
        assert_eq!(queue.observe(other, event, now), []);
    }
    assert_eq!(turns(&mut queue), [pair("a", "1")]);
    assert!(queue.has_kind(0) && !queue.has_kind(1));
}
