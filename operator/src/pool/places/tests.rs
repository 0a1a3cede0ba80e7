use super::*;

type Numbers = Places<u32, u32, &'static str>;

const NONE: [u32; 0] = [];

/// Places, and two pools that were used a moment ago.
fn two_pools(most: usize, now: Instant) -> (Numbers, PoolId, PoolId) {
    let mut places = Numbers::new(most);
    let (one, other) = (reached(&mut places, now), reached(&mut places, now));
    (places, one, other)
}

/// A pool whose database can be reached.
fn reached(places: &mut Numbers, now: Instant) -> PoolId {
    let pool = places.open(now);
    places.forget_failure(pool);
    pool
}

const PLACE: Entry<&str> = Entry::Granted(Turn::Place);
const KNOCK: Entry<&str> = Entry::Granted(Turn::Knock);

/// How many places a pool gets.
fn granted(places: &mut Numbers, pool: PoolId, now: Instant) -> usize {
    (0..100).take_while(|_| places.enter(pool, now) == PLACE).count()
}

/// One who has a place connects.
fn connect(places: &mut Numbers, pool: PoolId) -> Vec<u32> {
    let closed = places.begin(pool, Instant::now());
    places.succeed(pool);
    closed
}

#[test]
fn a_pool_alone_has_all_places_and_beside_others_half_of_what_they_leave() {
    let now = Instant::now();
    let mut places = Numbers::new(8);
    let only = reached(&mut places, now);
    assert_eq!(granted(&mut places, only, now), 8);
    for (most, shares) in
        [(8, [4, 2, 1, 1, 0]), (4, [2, 1, 1, 0, 0]), (2, [1, 1, 0, 0, 0]), (1, [1, 0, 0, 0, 0])]
    {
        let mut places = Numbers::new(most);
        let pools = [(); 5].map(|()| reached(&mut places, now));
        assert_eq!(pools.map(|pool| granted(&mut places, pool, now)), shares, "{most}");
    }
}

#[test]
fn a_pool_that_nobody_has_used_for_long_leaves_all_to_the_others() {
    let now = Instant::now();
    let (mut places, one, _) = two_pools(8, now);
    assert_eq!(granted(&mut places, one, now + RECENT), 8);
}

#[test]
fn who_waits_for_longest_is_next_unless_its_pool_may_use_no_more() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(4, now);
    assert_eq!(granted(&mut places, one, now), 2);
    for (pool, waiter) in [(one, 1), (other, 2), (one, 3), (other, 4)] {
        assert_eq!(places.enter(pool, now), if waiter == 2 { PLACE } else { Entry::Wait }, "{waiter}");
        if waiter != 2 {
            places.wait(pool, waiter);
        }
    }
    assert_eq!(places.grant(now), [], "one place is left, and nobody may use it");
    places.leave(one, now, now);
    assert_eq!(places.grant(now), [(one, 1, Turn::Place)]);
    places.leave(other, now, now);
    assert_eq!(
        places.grant(now),
        [(other, 4, Turn::Place)],
        "the pool of the first one uses all that it may"
    );
    places.leave(other, now, now);
    places.leave(one, now, now);
    assert_eq!(places.grant(now), [(one, 3, Turn::Place)]);
}

#[test]
fn idle_connections_of_others_make_room_the_one_that_is_idle_for_longest_first() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(2, now);
    for connection in [10, 11] {
        assert_eq!(places.enter(one, now), PLACE);
        assert_eq!(connect(&mut places, one), NONE);
        places.rest(one, connection, now);
        places.leave(one, now, now);
    }
    assert_eq!(places.counts(None), PoolCounts { idle: 2, used: 0, limit: 2 });
    assert_eq!(places.enter(other, now), PLACE);
    assert_eq!(places.idle(other), None);
    assert_eq!(connect(&mut places, other), [10]);
    assert_eq!(places.counts(Some(other)), PoolCounts { idle: 0, used: 1, limit: 2 });
    assert_eq!(places.counts(Some(one)), PoolCounts { idle: 1, used: 0, limit: 2 });
    assert_eq!(places.close(one), [11]);
    assert_eq!(places.counts(None), PoolCounts { idle: 0, used: 1, limit: 2 });
}

#[test]
fn after_other_settings_all_try_at_once_and_after_a_failure_one() {
    let now = Instant::now();
    let (mut places, one, _) = two_pools(8, now);
    assert_eq!(places.enter(one, now), PLACE);
    assert_eq!(places.begin(one, now), NONE);
    assert_eq!(places.enter(one, now), PLACE, "nothing has failed yet");
    assert!(places.fail(one, "refused"));
    assert_eq!(places.enter(one, now), KNOCK);
    places.succeed(one);
    places.end_knock(one);
    assert_eq!(places.enter(one, now), PLACE, "it is over");
    // Now there is a connection to wait for.
    places.begin(one, now);
    assert!(!places.fail(one, "refused"));
    places.begin(one, now);
    assert_eq!(places.enter(one, now), PLACE);
}

#[test]
fn until_a_database_was_reached_and_after_a_failure_one_tries_without_a_place() {
    let now = Instant::now();
    let mut places = Numbers::new(2);
    let pools = [(); 5].map(|()| places.open(now));
    let healthy = reached(&mut places, now);
    for pool in pools {
        assert_eq!(places.enter(pool, now), KNOCK);
        assert_eq!(places.enter(pool, now), Entry::Wait, "one tries");
        places.wait(pool, 7);
    }
    assert_eq!(places.enter(healthy, now), PLACE, "they use none");
    assert_eq!(connect(&mut places, healthy), NONE);
    places.rest(healthy, 10, now);
    assert_eq!(places.make_room(1), NONE, "nothing is closed for those who try");
    places.leave(healthy, now, now);
    assert!(places.fail(pools[0], "refused"));
    assert_eq!(places.turn_away(pools[0]), [7]);
    places.end_knock(pools[0]);
    assert_eq!(places.enter(pools[0], now), KNOCK, "it is tried again");
    assert_eq!(places.enter(pools[0], now), Entry::Failed("refused"));
    places.succeed(pools[1]);
    places.end_knock(pools[1]);
    places.rest(pools[1], 11, now);
    assert_eq!(places.grant(now), [(pools[1], 7, Turn::Place)], "it can be reached");
    assert_eq!(places.idle(pools[1]), Some((11, now)));
    assert_eq!(places.enter(pools[2], now), Entry::Wait);
    let later = now + SILENT;
    assert_eq!(places.enter(pools[2], later), Entry::Slow, "no answer for long");
    assert!(places.is_silent(pools[2], later) && !places.is_silent(healthy, later));
    // One who has tried gives up: the next one does.
    places.limit(pools[3]).unwrap().ends();
    places.end_knock(pools[3]);
    assert_eq!(places.grant(later), [(pools[3], 7, Turn::Knock)]);
    assert!(!places.is_silent(pools[3], later), "it has only begun");
}

#[test]
fn a_connection_that_came_without_a_place_is_one_too_many_where_all_are_used() {
    let now = Instant::now();
    let mut places = Numbers::new(1);
    let (busy, new) = (reached(&mut places, now), places.open(now));
    assert_eq!(places.enter(new, now), KNOCK);
    assert_eq!(places.enter(busy, now), PLACE);
    assert_eq!(connect(&mut places, busy), NONE);
    places.succeed(new);
    places.end_knock(new);
    places.rest(new, 11, now);
    assert_eq!(places.make_room(0), [11]);
    assert_eq!(places.enter(new, now), Entry::Wait, "it was asked, and answers: it isn't silent");
    assert!(!places.is_silent(new, now + SILENT));
    places.wait(new, 7);
    places.leave(busy, now, now);
    assert_eq!(places.grant(now), [(new, 7, Turn::Place)]);
}

#[test]
fn pools_that_were_slow_have_half_of_the_places_together() {
    let now = Instant::now();
    for (most, slow, left) in [(8, [4, 0, 0, 0], 1), (4, [2, 0, 0, 0], 0), (2, [1, 0, 0, 0], 0)] {
        let mut places = Numbers::new(most);
        let pools = [(); 4].map(|()| reached(&mut places, now));
        let (healthy, later) = (reached(&mut places, now), now + LONG);
        for pool in pools {
            assert_eq!(places.enter(pool, now), PLACE);
            places.leave(pool, now, later);
        }
        assert_eq!(places.enter(healthy, later), PLACE);
        let used = pools.map(|pool| granted(&mut places, pool, later));
        assert_eq!((used, granted(&mut places, healthy, later)), (slow, left), "{most}");
        places.leave(healthy, later, later);
        assert_eq!(places.enter(healthy, later), PLACE, "{most}");
        for _ in 0..used[0] {
            places.leave(pools[0], later, later);
        }
        assert_eq!(places.enter(pools[0], later), PLACE, "its last use was short");
    }
}

#[test]
fn work_in_the_background_says_nothing_of_the_database() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(2, now);
    assert_eq!(places.enter(one, now), PLACE);
    let hours = now + LONGEST + Duration::from_secs(1);
    places.leave(one, now, hours);
    assert!(!places.pools[&one].was_slow && !places.pools[&other].was_slow);
}

#[test]
fn for_places_that_are_used_for_long_only_so_many_wait() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(4, now);
    assert_eq!(granted(&mut places, one, now), 2);
    let later = now + LONG + Duration::from_secs(1);
    for waiter in 0..4 {
        assert_eq!(places.enter(one, later), Entry::Wait);
        places.wait(one, waiter);
    }
    assert_eq!(places.enter(one, now), Entry::Wait, "they may be given back in a moment");
    assert_eq!(places.enter(one, later), Entry::Slow);
    assert_eq!(places.enter(other, later), PLACE);
    let mut alone = Numbers::new(1);
    let only = reached(&mut alone, now);
    assert_eq!(alone.enter(only, now), PLACE);
    alone.wait(only, 0);
    assert_eq!(alone.enter(only, later), Entry::Wait, "nobody else is kept waiting");
}

#[test]
fn replaced_settings_are_tried_at_once() {
    let now = Instant::now();
    let (mut places, one, _) = two_pools(8, now);
    places.enter(one, now);
    places.begin(one, now);
    places.fail(one, "no such password");
    places.begin(one, now);
    places.forget_failure(one);
    assert_eq!(places.enter(one, now), PLACE);
}
