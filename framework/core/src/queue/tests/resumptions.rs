//! Triggers and resyncs.

use super::*;
use Resumption::{Resync, Start, Trigger};

const MINUTE: Duration = Duration::from_secs(60);

/// A queue for a kind that is triggered and resynced.
fn queue() -> Queue {
    Queue::new([KindNeeds { resync: Some(10 * MINUTE), ..KindNeeds::default() }])
}

/// The same with the object `a`, which has had its first turn.
fn handled(now: Instant) -> Queue {
    let mut queue = queue();
    queue.observe(HERE, applied("a", 1), now);
    queue.next_job().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    queue
}

fn trigger(queue: &mut Queue) -> bool {
    trigger_at(queue, Instant::now())
}

fn trigger_at(queue: &mut Queue, now: Instant) -> bool {
    queue.trigger(0, Some("n"), "a", &"handler".into(), now)
}

/// Why the object is resumed in its next turn; none if it has none.
fn next(queue: &mut Queue) -> Option<(Option<Resumption>, bool)> {
    queue.next_job().map(|job| {
        assert_eq!(job.extent, Extent::Whole);
        (job.resumption, job.prompt)
    })
}

#[test]
fn any_number_of_triggers_are_one_turn_that_reads_the_object() {
    let now = Instant::now();
    let mut queue = handled(now);
    assert!(trigger(&mut queue) && trigger(&mut queue));
    let job = queue.next_job().unwrap();
    assert_eq!((job.resumption, job.prompt, job.fetch), (Some(Trigger), true, true));
    queue.finish(seen("a", 1, None, now), now);
    assert_eq!(next(&mut queue), None);
}

#[test]
fn a_trigger_of_an_object_at_work_is_another_turn_after() {
    let now = Instant::now();
    let mut queue = handled(now);
    trigger(&mut queue);
    for _ in 0..2 {
        assert_eq!(next(&mut queue), Some((Some(Trigger), true)));
        trigger(&mut queue);
        assert_eq!(next(&mut queue), None);
        queue.finish(seen("a", 1, None, now), now);
    }
    assert_eq!(next(&mut queue), Some((Some(Trigger), true)));
}

#[test]
fn a_trigger_during_a_resumption_that_is_retried_is_another_resumption_after_it() {
    let now = Instant::now();
    let mut queue = handled(now);
    trigger(&mut queue);
    queue.next_job().unwrap();
    queue.finish(seen("a", 1, Some(MINUTE), now), now);
    trigger(&mut queue);
    assert_eq!(next(&mut queue), Some((Some(Trigger), true)), "its handlers don't wait");
    queue.finish(seen("a", 1, None, now), now);
    assert_eq!(next(&mut queue), Some((Some(Trigger), false)));
    queue.finish(seen("a", 1, None, now), now);
    assert_eq!(next(&mut queue), None);
}

#[test]
fn a_throttled_object_is_triggered_when_its_delay_ends() {
    let now = Instant::now();
    let mut queue = handled(now);
    queue.observe(HERE, applied("a", 2), now);
    queue.next_job().unwrap();
    queue.finish(ended("a", TurnEnd::Failed { delay: MINUTE, newest: None }), now);
    assert!(trigger(&mut queue));
    assert_eq!(next(&mut queue), None);
    queue.expire(now + MINUTE);
    assert_eq!(next(&mut queue), Some((Some(Trigger), true)));
}

#[test]
fn an_object_before_its_first_turn_needs_no_other_one() {
    let now = Instant::now();
    let mut queue = queue();
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    queue.trigger_all(0, &"handler".into(), now);
    assert_eq!(next(&mut queue), Some((Some(Start), true)), "its handlers don't wait");
    trigger(&mut queue);
    queue.finish(seen("a", 1, None, now), now);
    assert_eq!(next(&mut queue), Some((Some(Trigger), true)), "it came while the first one was under way");
}

#[test]
fn a_trigger_before_the_first_turn_of_an_object_that_was_added_is_kept() {
    let now = Instant::now();
    let mut queue = queue();
    queue.observe(HERE, applied("a", 1), now);
    trigger(&mut queue);
    let job = queue.next_job().unwrap();
    assert_eq!(
        (job.resumption, job.occasion),
        (Some(Trigger), Occasion::First),
        "its creation may call nothing"
    );
    queue.finish(seen("a", 1, None, now), now);
    assert_eq!(next(&mut queue), None);
}

#[test]
fn a_turn_that_does_not_get_as_far_as_the_handlers_leaves_the_trigger_to_the_next_one() {
    let newest = |now| Newest::written("1", now);
    let unplanned = |now| match at_rest(newest(now), Some(MINUTE)) {
        TurnEnd::Seen { newest, due, waiting, blocked, got_past, stored, generation, .. } => TurnEnd::Seen {
            newest,
            due,
            settled: false,
            resumed: false,
            planned: false,
            called: false,
            waiting,
            blocked,
            got_past,
            stored,
            generation,
        },
        other => other,
    };
    let now = Instant::now();
    let mut uncalled = at_rest(newest(now), Some(MINUTE));
    if let TurnEnd::Seen { called, resumed, .. } = &mut uncalled {
        (*called, *resumed) = (false, false);
    }
    let ends = [
        uncalled,
        TurnEnd::Unread { delay: MINUTE },
        TurnEnd::Failed { delay: MINUTE, newest: None },
        TurnEnd::Failed { delay: MINUTE, newest: Some(newest(now)) },
        unplanned(now),
    ];
    for end in ends {
        let mut queue = handled(now);
        trigger(&mut queue);
        assert_eq!(next(&mut queue), Some((Some(Trigger), true)));
        queue.finish(ended("a", end.clone()), now);
        assert_eq!(next(&mut queue), None, "{end:?}");
        queue.expire(now + MINUTE);
        assert_eq!(next(&mut queue), Some((Some(Trigger), true)), "{end:?}");
        queue.finish(seen("a", 1, Some(MINUTE), now + MINUTE), now + MINUTE);
        queue.expire(now + 2 * MINUTE);
        assert_eq!(next(&mut queue), Some((Some(Trigger), false)), "{end:?}");
    }
}

#[test]
fn only_the_object_that_has_the_name_now_is_triggered() {
    let now = Instant::now();
    let mut queue = queue();
    assert!(!trigger(&mut queue), "it doesn't exist");
    let named = |uid: &str, version: &str| -> Body {
        json!({"metadata": {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": version}}).into()
    };
    queue.observe(HERE, Event::Applied(named("old", "1")), now);
    queue.next_job().unwrap();
    queue.observe(HERE, Event::Deleted(named("old", "2")), now);
    assert!(!trigger(&mut queue), "it is gone");
    queue.observe(HERE, Event::Applied(named("new", "3")), now);
    queue.finish(ended("old", TurnEnd::Gone), now);
    assert!(trigger(&mut queue));
    assert_eq!(turns(&mut queue), [pair("new", "3")]);
    let by = "handler".into();
    assert!(!queue.trigger(0, Some("other"), "a", &by, now) && !queue.trigger(1, Some("n"), "a", &by, now));
}

#[test]
fn the_names_that_are_looked_up_for_the_first_trigger_are_those_of_the_newest_objects() {
    let named = |uid: &str, version: &str| -> Body {
        json!({"metadata": {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": version}}).into()
    };
    for (older, newer) in [("u1", "u2"), ("u2", "u1")] {
        let (mut queue, now) = (queue(), Instant::now());
        queue.observe(HERE, Event::Applied(named(older, "9")), now);
        // The watch has missed its deletion, and lists everything.
        queue.observe(HERE, Event::Listing, now);
        queue.observe(HERE, Event::Listed(named(newer, "10")), now);
        assert!(queue.knows(0, Some("n"), "a"));
        queue.observe(HERE, Event::ListingDone, now);
        assert!(trigger(&mut queue), "{newer}");
    }
}

#[test]
fn an_object_that_its_own_handler_triggers_is_delayed_and_told_of_once() {
    let mut now = Instant::now();
    let mut queue = handled(now);
    trigger_at(&mut queue, now);
    let turn = |queue: &mut Queue, now: Instant| {
        assert_eq!(next(queue), Some((Some(Trigger), true)));
        trigger_at(queue, now);
        queue.finish(seen("a", 1, None, now), now);
    };
    for _ in 0..100 {
        turn(&mut queue, now);
    }
    let told = queue.take_too_often().pop().unwrap();
    assert_eq!((told.object.name(), &*told.by), ("a", "handler"));
    for delay in PaceLimits::default().delays {
        assert_eq!(next(&mut queue), None);
        assert_eq!(queue.next_due(), Some(now + delay));
        now += delay;
        queue.expire(now);
        turn(&mut queue, now);
    }
    assert!(queue.take_too_often().is_empty());
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(
        next(&mut queue),
        Some((Some(Trigger), true)),
        "a change doesn't wait, and has the trigger with it"
    );
    queue.finish(seen("a", 2, None, now), now);
    now += PaceLimits::default().window + *PaceLimits::default().delays.last().unwrap();
    queue.expire(now);
    trigger_at(&mut queue, now);
    assert_eq!(next(&mut queue), Some((Some(Trigger), true)), "it is over");
}

#[test]
fn a_retained_state_is_not_read_again_unless_a_retry_is_due() {
    let now = Instant::now();
    for retried in [false, true] {
        let needs = KindNeeds { bodies: true, ..KindNeeds::default() };
        let mut queue = Queue::new([needs]);
        queue.observe(HERE, applied("a", 1), now);
        queue.next_job().unwrap();
        let waiting = retried.then_some(Fingerprint { whole: 1, state: 1 });
        let mut report = seen("a", 1, retried.then_some(MINUTE), now);
        if let TurnEnd::Seen { waiting: waits, .. } = &mut report.end {
            *waits = waiting;
        }
        queue.finish(report, now);
        trigger(&mut queue);
        let job = queue.next_job().unwrap();
        assert_eq!((job.resumption, job.fetch), (Some(Trigger), retried));
    }
}

#[test]
fn a_resync_comes_after_the_interval_again_and_again_and_waits_for_retries() {
    let begun = Instant::now();
    let mut queue = handled(begun);
    let first = queue.next_due().unwrap();
    assert!((9 * MINUTE..=11 * MINUTE).contains(&(first - begun)), "{:?}", first - begun);
    queue.expire(first);
    assert_eq!(next(&mut queue), Some((Some(Resync), false)));
    queue.finish(seen("a", 1, None, first), first);
    let second = queue.next_due().unwrap();
    assert_eq!(second - first, first - begun);
    queue.observe(HERE, applied("a", 2), second - MINUTE);
    queue.next_job().unwrap();
    queue.finish(seen("a", 2, Some(3 * MINUTE), second - MINUTE), second - MINUTE);
    queue.expire(second);
    assert_eq!(next(&mut queue), None);
    queue.expire(second + 2 * MINUTE);
    assert_eq!(next(&mut queue), Some((Some(Resync), false)));
}

#[test]
fn the_first_resyncs_of_listed_objects_are_spread() {
    let now = Instant::now();
    let mut queue = queue();
    for number in 0..1000 {
        queue.observe(HERE, Event::Listed(body(&format!("uid-{number}"), 1)), now);
    }
    while let Some(job) = queue.next_job() {
        queue.finish(seen(job.body.uid(), 1, None, now), now);
    }
    let mut in_minute = [0; 10];
    for minute in 0..10 {
        queue.expire(now + (minute + 1) * MINUTE);
        in_minute[minute as usize] = turns(&mut queue).len();
    }
    assert_eq!(in_minute[..5].iter().sum::<usize>(), 0, "{in_minute:?}");
    assert!(in_minute[5..].iter().all(|count| (150..250).contains(count)), "{in_minute:?}");
}
