//! What is counted of a queue.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn count(queue: &Queue) -> [usize; 5] {
    let counts = queue.census(|_| true).objects.get(&0).copied().unwrap_or_default();
    [counts.served, counts.waiting, counts.retried, counts.failed, counts.foreign]
}

/// The end of a turn in which handlers have finished.
fn finished(version: u64, has_failed: bool, now: Instant) -> TurnReport {
    TurnReport { failed: Some(has_failed), ..seen("a", version, None, now) }
}

#[test]
fn an_object_is_retried_until_its_next_turn_and_has_failed_until_handlers_finish_otherwise() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    assert_eq!(count(&queue), [0, 0, 0, 0, 0]);
    queue.observe(HERE, applied("a", 1), now);
    assert_eq!(count(&queue), [1, 0, 0, 0, 0]);
    queue.next_job().unwrap();
    queue.finish(seen("a", 2, Some(SECOND), now), now);
    assert_eq!(count(&queue), [0, 0, 1, 0, 0], "a handler is retried");
    queue.expire(now + SECOND);
    queue.next_job().unwrap();
    queue.finish(finished(3, true, now), now);
    assert_eq!(count(&queue), [0, 0, 0, 1, 0]);
    queue.observe(HERE, applied("a", 4), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 4, None, now), now);
    assert_eq!(count(&queue), [0, 0, 0, 1, 0], "nothing was handled");
    queue.observe(HERE, applied("a", 5), now);
    queue.next_job().unwrap();
    queue.finish(finished(6, false, now), now);
    assert_eq!(count(&queue), [1, 0, 0, 0, 0]);
    queue.observe(HERE, Event::Deleted(body("a", 7)), now);
    queue.next_job().unwrap();
    assert_eq!(count(&queue), [0, 0, 0, 0, 0], "it is gone");
}

/// Where nothing has been looked at, as in a turn for timers alone, it is as it was.
#[test]
fn an_object_waits_as_long_as_its_handlers_say_so() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    for (patient, expected) in [
        (Some(true), [0, 1, 0, 0, 0]),
        (None, [0, 1, 0, 0, 0]),
        (Some(false), [0, 0, 1, 0, 0]),
        (None, [0, 0, 1, 0, 0]),
    ] {
        queue.next_job().unwrap();
        queue.finish(TurnReport { patient, ..seen("a", 2, Some(SECOND), now) }, now);
        assert_eq!(count(&queue), expected, "{patient:?}");
        queue.expire(now + SECOND);
    }
}

#[test]
fn an_object_of_another_replica_is_foreign_whatever_else_is_known_of_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for uid in ["a", "b"] {
        queue.observe(HERE, applied(uid, 1), now);
    }
    queue.observe(Source { kind: 1, place: 0 }, applied("c", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 2, Some(SECOND), now), now);
    let census = queue.census(|uid| *uid != Uid::from("a"));
    let of_kind = |number| census.objects[&number];
    assert_eq!(of_kind(0), ObjectCounts { served: 1, foreign: 1, ..ObjectCounts::default() });
    assert_eq!(of_kind(1), ObjectCounts { served: 1, ..ObjectCounts::default() });
}

#[test]
fn an_object_has_waited_since_no_worker_was_free_for_it() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let waits = |queue: &Queue| {
        let census = queue.census(|_| true);
        (census.queued, census.oldest)
    };
    queue.observe(HERE, applied("a", 1), now);
    assert_eq!(waits(&queue), (1, None));
    queue.mark_waiting(now);
    queue.observe(HERE, applied("b", 1), now);
    queue.mark_waiting(now + SECOND);
    queue.mark_waiting(now + 2 * SECOND);
    assert_eq!(waits(&queue), (2, Some(now)));
    queue.next_job().unwrap();
    assert_eq!(waits(&queue), (1, Some(now + SECOND)));
    // One that has its turn before its time waits no longer.
    queue.job_of(&"b".into()).unwrap();
    assert_eq!(waits(&queue).1, None);
}
