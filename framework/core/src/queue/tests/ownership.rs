//! Objects of shards that are taken over and left.

use super::*;
use crate::shard::{Shard, Shards};

/// Two shards, of which none is served, and an object of each.
fn divided(needs: KindNeeds) -> (Queue, [String; 2]) {
    let shards: Shards = "2".parse().unwrap();
    let of = |shard| {
        (0..)
            .map(|number| format!("{number}-uid"))
            .find(|uid| shards.of(&uid.as_str().into()) == Shard(shard))
    };
    (Queue::new([needs]).divided(shards), [of(0).unwrap(), of(1).unwrap()])
}

fn list(queue: &mut Queue, objects: &[(&str, u64)], now: Instant) -> Vec<Body> {
    queue.observe(HERE, Event::ListingAgain, now);
    for (uid, version) in objects {
        queue.observe(HERE, Event::Listed(body(uid, *version)), now);
    }
    queue.observe(HERE, Event::ListingDone, now)
}

#[test]
fn an_object_of_another_shard_is_known_and_gets_no_turn_whatever_happens() {
    let (mut queue, [ours, theirs]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&ours, 1), (&theirs, 1)], now);
    assert_eq!(turns(&mut queue), [pair(&ours, "1")]);
    queue.observe(HERE, applied(&theirs, 2), now);
    assert!(queue.trigger(0, Some("n"), &theirs, &"handler".into(), now), "it is known");
    queue.trigger_all(0, &"handler".into(), now);
    queue.wake(&theirs.as_str().into(), Extent::Whole);
    queue.wake(&theirs.as_str().into(), Extent::Partial);
    queue.expire(now + Duration::from_secs(3600));
    queue.check();
    assert_eq!((turns(&mut queue), queue.backlog.bytes()), (vec![], 0));
    queue.observe(HERE, Event::Deleted(body(&theirs, 3)), now);
    assert_eq!(queue.take_forgotten(), [theirs.as_str().into()]);
}

#[test]
fn what_a_listing_no_longer_shows_of_another_shard_is_reported() {
    let (mut queue, [_, theirs]) = divided(KindNeeds::default());
    let now = Instant::now();
    list(&mut queue, &[(&theirs, 1)], now);
    let gone = list(&mut queue, &[], now);
    assert_eq!(gone.iter().map(Body::uid).collect::<Vec<_>>(), [&theirs]);
    assert_eq!(queue.objects.len(), 0);
}

#[test]
fn the_objects_of_a_shard_that_is_taken_over_begin_as_at_a_start_with_what_is_listed_next() {
    let (mut queue, [ours, theirs]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&ours, 5), (&theirs, 6)], now);
    queue.next_job().unwrap();
    queue.finish(seen(&ours, 5, None, now), now);
    queue.serve(Shard(1));
    assert!(
        queue.next_job().is_none(),
        "its last known state may be older than what another one has written"
    );
    queue.trigger(0, Some("n"), &theirs, &"handler".into(), now);
    assert!(queue.next_job().is_none(), "the first turn sees everything");
    list(&mut queue, &[(&ours, 5), (&theirs, 6)], now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.body.uid(), job.event), (&*theirs, Some(WatchEventType::Listed)));
    assert_eq!((job.occasion, job.resumption), (Occasion::First, Some(Resumption::Start)));
    assert!(queue.next_job().is_none(), "nothing is new of the others");
    queue.check();
}

#[test]
fn what_is_new_of_the_others_in_that_listing_is_handled() {
    let (mut queue, [ours, _]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&ours, 5)], now);
    queue.next_job().unwrap();
    queue.finish(seen(&ours, 5, None, now), now);
    list(&mut queue, &[(&ours, 7)], now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.body.version(), job.event, job.resumption), ("7", Some(WatchEventType::Listed), None));
}

#[test]
fn a_shard_that_is_left_takes_all_that_waits_with_it() {
    let needs = KindNeeds { events: true, bodies: true, ..KindNeeds::default() };
    let (mut queue, [uid, _]) = divided(needs);
    let now = Instant::now();
    let delay = Duration::from_secs(5);
    for end in [at_rest(Newest::written("2", now), Some(delay)), TurnEnd::Failed { delay, newest: None }] {
        queue.serve(Shard(0));
        list(&mut queue, &[(&uid, 1)], now);
        queue.next_job().unwrap();
        let report = TurnReport { tick: NextTick::At(now + delay), ..ended(&uid, end) };
        queue.finish(report, now);
        queue.observe(HERE, applied(&uid, 9), now);
        queue.leave(Shard(0), now);
        queue.check();
        queue.expire(now + 10 * delay);
        assert!(queue.next_job().is_none() && queue.next_due().is_none());
        assert_eq!((queue.backlog.bytes(), queue.waiting()), (0, 0));
    }
    queue.serve(Shard(0));
    list(&mut queue, &[(&uid, 9)], now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.occasion, job.errors, job.tick), (Occasion::First, 0, false));
}

#[test]
fn a_turn_that_is_under_way_when_its_shard_is_left_ends_and_is_the_last_one() {
    let (mut queue, [uid, _]) = divided(KindNeeds::default());
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&uid, 1)], now);
    queue.next_job().unwrap();
    queue.leave(Shard(0), now);
    assert!(queue.is_at_work(&uid.as_str().into()));
    queue.observe(HERE, applied(&uid, 2), now);
    queue.finish(seen(&uid, 3, Some(Duration::ZERO), now), now);
    queue.expire(now);
    assert!(queue.next_job().is_none() && !queue.is_at_work(&uid.as_str().into()));
    // What its daemons have asked for is written.
    let job = queue.job_of(&uid.as_str().into()).unwrap();
    assert_eq!((job.extent, job.fetch, job.event), (Extent::Edits, true, None));
    queue.finish(ended(&uid, TurnEnd::Gone), now);
    assert_eq!(queue.take_forgotten(), [uid.as_str().into()]);
}

#[test]
fn one_that_is_deleted_while_its_shard_is_left_is_forgotten_once_no_worker_has_it() {
    for shown_first in [true, false] {
        let (mut queue, [uid, _]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
        let now = Instant::now();
        queue.serve(Shard(0));
        list(&mut queue, &[(&uid, 1)], now);
        queue.next_job().unwrap();
        if !shown_first {
            queue.leave(Shard(0), now);
        }
        queue.observe(HERE, Event::Deleted(body(&uid, 2)), now);
        queue.leave(Shard(0), now);
        assert_eq!(queue.take_forgotten(), []);
        queue.finish(seen(&uid, 1, None, now), now);
        assert_eq!(queue.take_forgotten(), [uid.as_str().into()]);
        assert!(queue.next_job().is_none());
    }
}

#[test]
fn a_turn_from_before_that_ends_under_a_new_term_counts_for_nothing_and_the_object_is_read() {
    for listed_first in [true, false] {
        let (mut queue, [uid, _]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
        let now = Instant::now();
        queue.serve(Shard(0));
        list(&mut queue, &[(&uid, 1)], now);
        queue.next_job().unwrap();
        queue.leave(Shard(0), now);
        queue.serve(Shard(0));
        if listed_first {
            list(&mut queue, &[(&uid, 1)], now);
            assert!(queue.next_job().is_none(), "a worker has it");
        }
        queue.finish(seen(&uid, 3, Some(Duration::from_secs(9)), now), now);
        queue.check();
        let job = queue.next_job().unwrap();
        assert!(job.fetch, "what was listed may be older than what that turn has written");
        assert_eq!((job.occasion, job.event), (Occasion::First, Some(WatchEventType::Listed)));
        queue.finish(seen(&uid, 3, None, now), now);
        list(&mut queue, &[(&uid, 3)], now);
        assert!(queue.next_job().is_none(), "once");
    }
}

#[test]
fn a_turn_that_was_broken_off_is_begun_again_while_the_object_is_ours() {
    let (mut queue, [uid, _]) = divided(KindNeeds { events: true, ..KindNeeds::default() });
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&uid, 1)], now);
    let event = queue.next_job().unwrap().event;
    queue.finish(TurnReport { undelivered: event, ..ended(&uid, TurnEnd::Lost) }, now);
    let job = queue.next_job().unwrap();
    assert_eq!((job.fetch, job.event), (true, Some(WatchEventType::Listed)));
}

#[test]
fn one_that_waits_for_an_outage_is_not_tried_on_behalf_of_all_once_its_shard_is_left() {
    let (mut queue, [uid, _]) = divided(KindNeeds::default());
    let now = Instant::now();
    queue.serve(Shard(0));
    list(&mut queue, &[(&uid, 1)], now);
    queue.next_job().unwrap();
    let delay = Duration::from_secs(3);
    let waiting = Blocked { cause: "database".into(), delay, why: "refused".into() };
    let mut end = at_rest(Newest::seen("1", now), Some(Duration::from_secs(99)));
    if let TurnEnd::Seen { blocked, .. } = &mut end {
        blocked.insert("create".into(), waiting);
    }
    queue.finish(ended(&uid, end), now);
    queue.leave(Shard(0), now);
    queue.expire(now + 4 * delay);
    assert!(queue.next_job().is_none() && queue.next_due().is_none());
}
