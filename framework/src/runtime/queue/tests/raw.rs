//! Handlers of raw events.

use super::*;

/// What handlers of raw events are called for, and whether there is anything else to do.
fn events(queue: &mut Queue) -> Vec<(Option<EventType>, bool)> {
    std::iter::from_fn(|| queue.next()).map(|job| (job.event, job.echo)).collect()
}

#[test]
fn an_echo_is_news_for_handlers_of_raw_events_alone() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    assert_eq!(events(&mut queue), [(Some(EventType::Listed), false)]);
    queue.finish(seen("a", 2, Some(Duration::from_secs(10)), now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(events(&mut queue), [(Some(EventType::Modified), true)]);
    let later = now + Duration::from_secs(4);
    queue.finish(ended("a", Finish::Spied { due: None }), later);
    assert_eq!(queue.next_timer(), Some(now + Duration::from_secs(10)));
    queue.observe(HERE, applied("b", 3), now);
    queue.observe(HERE, Event::Deleted(body("a", 3)), now);
    assert_eq!(events(&mut queue), [(Some(EventType::Added), false), (Some(EventType::Deleted), false)]);
}

#[test]
fn a_retry_that_waits_for_its_turn_is_not_lost_to_an_echo() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(seen("a", 2, Some(due), now), now);
    queue.expire(now + due);
    queue.observe(HERE, applied("a", 2), now + due);
    let job = queue.next().unwrap();
    assert_eq!((job.event, job.fetch, job.echo), (Some(EventType::Modified), true, false));
}

#[test]
fn of_several_echoes_the_last_one_is_told() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    // A listing shows it once more, and then comes the echo of what the worker has written.
    queue.observe(HERE, Event::Listed(body("a", 1)), now);
    queue.finish(seen("a", 2, None, now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert_eq!(turns(&mut queue), [pair("a", "2")]);
}

#[test]
fn a_retry_is_not_lost_to_an_echo() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    // The echo is there before the worker is done.
    queue.observe(HERE, applied("a", 2), now);
    queue.finish(seen("a", 2, Some(due), now), now);
    assert_eq!(events(&mut queue), [(Some(EventType::Modified), true)]);
    queue.finish(ended("a", Finish::Spied { due: None }), now);
    assert_eq!(queue.next_timer(), Some(now + due));
    // The time comes while an echo waits for its turn.
    queue.observe(HERE, applied("a", 2), now);
    queue.expire(now + due);
    let job = queue.next().unwrap();
    assert_eq!((job.fetch, job.echo), (true, false));
    // The time comes while handlers of raw events run.
    queue.finish(seen("a", 2, Some(due), now), now + due);
    queue.observe(HERE, applied("a", 2), now);
    assert!(queue.next().unwrap().echo);
    queue.expire(now + due + due);
    queue.finish(ended("a", Finish::Spied { due: None }), now);
    assert!(queue.next().unwrap().fetch);
}

#[test]
fn handlers_of_raw_events_hear_of_what_an_own_write_has_overtaken_but_not_of_their_own() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.observe(HERE, applied("a", 2), now);
    queue.finish(seen("a", 3, None, now), now);
    assert_eq!(events(&mut queue), [(Some(EventType::Modified), true)]);
    let told = Told { silent: vec!["4".into()], ..Told::default() };
    queue.finish(Done { told, ..seen("a", 4, None, now) }, now);
    queue.observe(HERE, applied("a", 4), now);
    assert_eq!(events(&mut queue), []);
    assert_eq!(queue.backlog.bytes(), 0);
}

#[test]
fn an_object_that_a_worker_found_gone_is_not_looked_at_again() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    let due = Duration::from_secs(10);
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(seen("a", 2, Some(due), now), now);
    queue.observe(HERE, applied("a", 2), now);
    assert!(queue.next().unwrap().echo);
    queue.finish(ended("a", Finish::Gone), now);
    queue.expire(now + due);
    assert!(queue.next().is_none());
    queue.observe(HERE, applied("a", 3), now + due);
    assert!(queue.next().is_none());
}

#[test]
fn what_is_to_be_tried_again_after_an_echo_comes_in_time() {
    let seconds = Duration::from_secs;
    for (retry, due) in [(None, 30), (Some(seconds(10)), 10), (Some(seconds(50)), 30)] {
        let (mut queue, now) = (Queue::new([0]), Instant::now());
        queue.observe(HERE, applied("a", 1), now);
        queue.next().unwrap();
        queue.finish(seen("a", 2, retry, now), now);
        queue.observe(HERE, applied("a", 2), now);
        assert!(queue.next().unwrap().echo);
        queue.finish(ended("a", Finish::Spied { due: Some(seconds(30)) }), now);
        assert_eq!(queue.next_timer(), Some(now + seconds(due)), "a retry after {retry:?}");
    }
}

fn labelled(version: u64, app: &str) -> Body {
    let mut value = body("a", version).value().clone();
    value["metadata"]["labels"] = json!({"app": app});
    value.into()
}

#[test]
fn of_what_only_a_listing_shows_to_be_gone_the_newest_labels_are_told() {
    let cases = [
        ("an older event comes late", vec![labelled(2, "old"), labelled(1, "older")], 2, "old"),
        ("the echo of our own write comes", vec![labelled(1, "old"), labelled(4, "new")], 4, "new"),
    ];
    for (name, events, version, told) in cases {
        let (mut queue, now) = (Queue::new([0]), Instant::now());
        for body in events {
            queue.observe(HERE, Event::Applied(body), now);
            if let Some(job) = queue.next() {
                queue.finish(seen(job.body.uid(), version, None, now), now);
            }
        }
        for event in [Event::Listing, Event::ListingDone] {
            queue.observe(HERE, event, now);
        }
        let job = std::iter::from_fn(|| queue.next()).last().unwrap();
        assert_eq!(
            (job.gone, &job.body.value()["metadata"]["labels"]["app"]),
            (true, &json!(told)),
            "{name}"
        );
    }
}

#[test]
fn what_is_told_later_of_a_deletion_is_all_that_the_watch_has_shown() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    let mut last = body("a", 2).value().clone();
    last["spec"] = json!({"size": 1});
    queue.observe(HERE, Event::Deleted(last.clone().into()), now);
    let event = queue.next().unwrap().event;
    let delay = Duration::from_secs(5);
    let told = Told { untold: event, ..Told::default() };
    queue.finish(Done { told, ..ended("a", Finish::Unread { delay }) }, now);
    queue.expire(now + delay);
    let job = queue.next().unwrap();
    assert_eq!((job.gone, job.event, job.body.value()), (true, Some(EventType::Deleted), &last));
}

#[test]
fn a_deletion_that_waits_for_its_turn_is_told_as_it_was_shown_though_a_listing_comes_between() {
    let (mut queue, now) = (Queue::new([0]), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(seen("a", 1, None, now), now);
    for event in [Event::Deleted(labelled(2, "last")), Event::Listing, Event::ListingDone] {
        queue.observe(HERE, event, now);
    }
    assert_eq!(queue.next().unwrap().body.value(), labelled(2, "last").value());
}

#[test]
fn what_a_narrow_watch_shows_again_behind_its_end_is_looked_at() {
    let (mut queue, now) = (Queue::new([0]).narrowed([0]), Instant::now());
    queue.observe(HERE, applied("a", 1), now);
    queue.next().unwrap();
    queue.finish(ended("a", Finish::Gone), now);
    queue.observe(HERE, Event::Deleted(body("a", 2)), now);
    queue.observe(HERE, applied("a", 3), now);
    let job = queue.next().unwrap();
    assert_eq!((job.gone, job.body.version()), (false, "3"));
}
