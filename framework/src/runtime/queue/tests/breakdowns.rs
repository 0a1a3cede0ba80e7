//! Objects that the framework breaks down over, or can't read.

use super::*;

#[test]
fn what_breaks_inside_is_tried_again_and_counted() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    for errors in 0..3 {
        let job = queue.next().unwrap();
        assert_eq!((job.look, job.errors), (Look::First, errors));
        let delay = Duration::from_secs(5);
        queue.finish(ended("a", Finish::Broken { delay, newest: None }), now);
        now += delay;
        assert_eq!(queue.next_timer(), Some(now));
        queue.expire(now);
    }
}

#[test]
fn what_has_broken_down_is_left_alone_for_its_time_and_then_handled_as_it_is_by_then() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let delay = Duration::from_secs(5);
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.observe(HERE, applied("a", 5), now);
    let newest = Some(Newest::written("6", now));
    queue.finish(ended("a", Finish::Broken { delay, newest }), now);
    queue.observe(HERE, applied("a", 7), now);
    assert!(queue.next().is_none());
    queue.expire(now + delay);
    assert_eq!(turns(&mut queue), [pair("a", "7")]);
}

#[test]
fn only_what_was_never_looked_at_to_the_end_is_looked_at_for_the_first_time_once_more() {
    let (delay, now) = (Duration::from_secs(5), Instant::now());
    let broken = |newest| ended("a", Finish::Broken { delay, newest });
    let restless = || broken(Some(Newest::written("2", now)));
    let cases = [
        (vec![broken(None)], Look::First),
        (vec![restless()], Look::Again),
        (vec![restless(), broken(None)], Look::Again),
        (vec![seen("a", 2, Some(delay), now), broken(None)], Look::Again),
        (vec![broken(None), seen("a", 2, Some(delay), now)], Look::Again),
    ];
    for (turns, look) in cases {
        let mut queue = Queue::default();
        queue.observe(HERE, applied("a", 1), now);
        assert_eq!(queue.next().unwrap().look, Look::First);
        let mut last = None;
        for turn in turns.clone() {
            queue.finish(turn, now);
            queue.expire(now + delay);
            last = queue.next();
        }
        assert_eq!(last.unwrap().look, look, "{turns:?}");
    }
}

#[test]
fn what_could_not_be_read_is_handled_as_soon_as_it_needs_no_read() {
    let delay = Duration::from_secs(5);
    let cases = [
        (Event::Applied(body("a", 2)), true),
        (Event::Deleted(body("a", 2)), true),
        // An older one than what is known: it is to be read.
        (Event::Applied(body("a", 0)), false),
    ];
    for (event, comes) in cases {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next().unwrap();
        queue.finish(seen("a", 1, Some(delay), now), now);
        let later = now + Duration::from_secs(60);
        queue.expire(later);
        assert!(queue.next().unwrap().fetch);
        queue.finish(ended("a", Finish::Unread { delay }), later);
        queue.observe(HERE, event.clone(), later);
        assert_eq!(queue.next().is_some(), comes, "{event:?}");
        queue.check();
    }
}
