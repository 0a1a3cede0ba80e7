//! Departures of objects: shown by the watch, found by a worker, or inferred; and what comes back.

use super::*;

/// Takes in a listing of these objects.
fn list(queue: &mut Queue, source: Source, shown: &[(&str, u64)], now: Instant) {
    let listed = shown.iter().map(|(uid, version)| Event::Listed(body(uid, *version)));
    for event in [Event::Listing].into_iter().chain(listed).chain([Event::ListingDone]) {
        queue.observe(source, event, now);
    }
}

/// A queue that knows an object, which is at rest.
fn at_rest_with(uid: &str, needs: KindNeeds, now: Instant) -> Queue {
    let mut queue = Queue::new([needs]);
    queue.observe(HERE, Event::Listed(body(uid, 1)), now);
    queue.next_job().unwrap();
    queue.finish(seen(uid, 1, None, now), now);
    queue
}

#[test]
fn a_listing_that_began_after_a_worker_found_an_object_gone_brings_it_back() {
    let now = Instant::now();
    for (before, back) in [(false, true), (true, false)] {
        let mut queue = at_rest_with("a", KindNeeds::default(), now);
        queue.observe(HERE, applied("a", 2), now);
        queue.next_job().unwrap();
        if before {
            queue.observe(HERE, Event::Listing, now);
        }
        queue.finish(ended("a", TurnEnd::Gone), now);
        queue.observe(HERE, applied("a", 3), now);
        assert!(queue.next_job().is_none(), "an old event");
        if !before {
            queue.observe(HERE, Event::Listing, now);
        }
        queue.observe(HERE, Event::Listed(body("a", 2)), now);
        queue.observe(HERE, Event::ListingDone, now);
        queue.check();
        let job = queue.next_job();
        assert_eq!(job.is_some(), back, "the listing began before: {before}");
        if let Some(job) = job {
            assert_eq!((job.fetch, job.resumption), (true, Some(Resumption::Start)), "the server knows");
        }
    }
}

/// What an object is doing when its kind is withdrawn.
#[derive(Clone, Copy, Debug)]
enum Busy {
    Queued,
    AtWork,
    Throttled,
}

fn busy(what: Busy, needs: KindNeeds, now: Instant) -> Queue {
    let mut queue = at_rest_with("a", needs, now);
    queue.observe(HERE, applied("a", 2), now);
    if !matches!(what, Busy::Queued) {
        queue.next_job().unwrap();
    }
    if matches!(what, Busy::Throttled) {
        queue.finish(ended("a", TurnEnd::Failed { delay: Duration::from_secs(60), newest: None }), now);
    }
    queue
}

#[test]
fn a_deletion_that_was_inferred_is_undone_by_the_object_while_it_is_busy() {
    let now = Instant::now();
    for events in [false, true] {
        let needs = KindNeeds { events, ..KindNeeds::default() };
        for what in [Busy::Queued, Busy::AtWork, Busy::Throttled] {
            for withdrawn in [false, true] {
                let mut queue = busy(what, needs, now);
                if withdrawn {
                    queue.observe(HERE, Event::Withdrawn, now);
                } else {
                    list(&mut queue, HERE, &[], now);
                }
                assert!(!queue.is_there(&"a".into()));
                list(&mut queue, HERE, &[("a", 2)], now);
                queue.check();
                assert!(queue.is_there(&"a".into()), "{what:?}");
                let later = now + Duration::from_secs(60);
                if matches!(what, Busy::AtWork) {
                    queue.finish(seen("a", 2, None, now), now);
                }
                queue.expire(later);
                if let Some(job) = queue.next_job() {
                    assert!(!job.gone, "{what:?}");
                    queue.finish(seen("a", 2, None, later), later);
                } else {
                    assert!(matches!(what, Busy::AtWork) && !events, "{what:?}");
                }
                queue.observe(HERE, applied("a", 3), later);
                assert_eq!(turns(&mut queue), [pair("a", "3")], "{what:?}");
                assert_eq!(queue.take_forgotten(), []);
            }
        }
    }
}

#[test]
fn a_deletion_that_the_watch_has_shown_is_not_undone() {
    let now = Instant::now();
    for what in [Busy::Queued, Busy::AtWork, Busy::Throttled] {
        let mut queue = busy(what, KindNeeds::default(), now);
        queue.observe(HERE, Event::Deleted(body("a", 3)), now);
        queue.observe(HERE, Event::Withdrawn, now);
        queue.observe(HERE, Event::Listed(body("a", 2)), now);
        assert!(!queue.is_there(&"a".into()), "{what:?}");
    }
}

#[test]
fn an_object_that_comes_back_in_its_last_turn_is_a_new_one_after_it() {
    let now = Instant::now();
    let needs = KindNeeds { events: true, ..KindNeeds::default() };
    let ends = [TurnEnd::Gone, TurnEnd::Failed { delay: Duration::from_secs(60), newest: None }];
    for end in ends {
        for shown in [Event::Listed(body("a", 1)), applied("a", 1)] {
            let mut queue = at_rest_with("a", needs, now);
            queue.observe(HERE, Event::Withdrawn, now);
            let job = queue.next_job().unwrap();
            assert_eq!((job.gone, job.event), (true, Some(WatchEventType::Deleted)));
            queue.observe(THERE, shown, now);
            assert_eq!(queue.take_forgotten(), []);
            queue.finish(ended("a", end.clone()), now);
            queue.check();
            assert_eq!(queue.take_forgotten(), [Uid::from("a")], "its memory goes");
            let job = queue.next_job().unwrap();
            assert_eq!((job.source, job.gone, job.body.version()), (THERE, false, "1"));
            assert_eq!((job.event, job.resumption), (Some(WatchEventType::Listed), Some(Resumption::Start)));
            queue.finish(seen("a", 1, None, now), now);
            assert!(queue.trigger(0, Some("n"), "a", &"handler".into(), now));
        }
    }
}

#[test]
fn an_object_that_comes_back_in_its_last_turn_and_goes_again_is_gone() {
    let now = Instant::now();
    for last in [Event::Deleted(body("a", 4)), Event::Withdrawn] {
        let mut queue = at_rest_with("a", KindNeeds { events: true, ..KindNeeds::default() }, now);
        queue.observe(HERE, Event::Withdrawn, now);
        queue.next_job().unwrap();
        queue.observe(HERE, Event::Listed(body("a", 1)), now);
        queue.observe(HERE, last.clone(), now);
        queue.finish(ended("a", TurnEnd::Gone), now);
        while let Some(job) = queue.next_job() {
            assert!(job.gone, "{last:?}");
            queue.finish(ended("a", TurnEnd::Gone), now);
        }
        queue.check();
        assert!(queue.objects.is_empty(), "{last:?}");
    }
}

#[test]
fn an_object_whose_last_turn_failed_is_resumed_when_it_comes_back() {
    let (now, delay) = (Instant::now(), Duration::from_secs(60));
    for at in [now, now + delay] {
        let mut queue = at_rest_with("a", KindNeeds { events: true, ..KindNeeds::default() }, now);
        queue.observe(HERE, Event::Withdrawn, now);
        let undelivered = queue.next_job().unwrap().event;
        let end = TurnEnd::Failed { delay, newest: None };
        queue.finish(TurnReport { undelivered, ..ended("a", end) }, now);
        // The turn is tried again, or about to be.
        queue.expire(at);
        list(&mut queue, HERE, &[("a", 1)], at);
        queue.check();
        queue.expire(now + delay);
        let job = queue.next_job().unwrap();
        assert_eq!((job.gone, job.fetch, job.resumption), (false, true, Some(Resumption::Start)));
        assert_eq!(job.event, Some(WatchEventType::Listed));
    }
}

#[test]
fn an_object_is_of_the_place_that_shows_it() {
    let now = Instant::now();
    let mut queue = at_rest_with("a", KindNeeds::default(), now);
    queue.observe(THERE, applied("a", 2), now);
    assert_eq!(queue.observe(HERE, Event::Withdrawn, now), []);
    let gone = queue.observe(THERE, Event::Withdrawn, now);
    assert_eq!(gone.iter().map(Body::uid).collect::<Vec<_>>(), ["a"]);
}
