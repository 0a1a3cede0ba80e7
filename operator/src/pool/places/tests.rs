use super::*;

type Numbers = Places<u32, u32, &'static str>;

const NONE: [u32; 0] = [];

/// Places, and two pools that were used a moment ago.
fn two_pools(most: usize, now: Instant) -> (Numbers, PoolId, PoolId) {
    let mut places = Numbers::new(most);
    let (one, other) = (places.open(now), places.open(now));
    (places, one, other)
}

/// How many places a pool gets.
fn granted(places: &mut Numbers, pool: PoolId, now: Instant) -> usize {
    (0..100).take_while(|_| places.enter(pool, now) == Entry::Granted).count()
}

/// One who has a place connects.
fn connect(places: &mut Numbers, pool: PoolId) -> Vec<u32> {
    let closed = places.begin(pool);
    places.succeed(pool);
    closed
}

#[test]
fn a_pool_alone_has_all_places_and_beside_others_half_of_what_they_leave() {
    let now = Instant::now();
    let mut places = Numbers::new(8);
    let only = places.open(now);
    assert_eq!(granted(&mut places, only, now), 8);
    for (most, shares) in
        [(8, [4, 2, 1, 1, 0]), (4, [2, 1, 1, 0, 0]), (2, [1, 1, 0, 0, 0]), (1, [1, 0, 0, 0, 0])]
    {
        let mut places = Numbers::new(most);
        let pools = [(); 5].map(|()| places.open(now));
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
        assert_eq!(
            places.enter(pool, now),
            if waiter == 2 { Entry::Granted } else { Entry::Wait },
            "{waiter}"
        );
        if waiter != 2 {
            places.wait(pool, waiter);
        }
    }
    assert_eq!(places.grant(now), [], "one place is left, and nobody may use it");
    places.leave(one, now);
    assert_eq!(places.grant(now), [(one, 1)]);
    places.leave(other, now);
    assert_eq!(places.grant(now), [(other, 4)], "the pool of the first one uses all that it may");
    places.leave(other, now);
    places.leave(one, now);
    assert_eq!(places.grant(now), [(one, 3)]);
}

#[test]
fn idle_connections_of_others_make_room_the_one_that_is_idle_for_longest_first() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(2, now);
    for connection in [10, 11] {
        assert_eq!(places.enter(one, now), Entry::Granted);
        assert_eq!(connect(&mut places, one), NONE);
        places.rest(one, connection, now);
        places.leave(one, now);
    }
    assert_eq!(places.counts(None), PoolCounts { idle: 2, used: 0, limit: 2 });
    assert_eq!(places.enter(other, now), Entry::Granted);
    assert_eq!(places.idle(other), None);
    assert_eq!(connect(&mut places, other), [10]);
    assert_eq!(places.counts(Some(other)), PoolCounts { idle: 0, used: 1, limit: 2 });
    assert_eq!(places.counts(Some(one)), PoolCounts { idle: 1, used: 0, limit: 2 });
    assert_eq!(places.close(one), [11]);
    assert_eq!(places.counts(None), PoolCounts { idle: 0, used: 1, limit: 2 });
}

#[test]
fn after_a_failure_one_tries_again_and_the_others_fail_with_it() {
    let now = Instant::now();
    let (mut places, one, other) = two_pools(8, now);
    assert_eq!(places.enter(one, now), Entry::Granted);
    assert_eq!(places.begin(one), NONE);
    assert_eq!(places.enter(one, now), Entry::Granted, "nothing has failed yet");
    places.wait(one, 7);
    assert!(places.fail(one, "refused"));
    assert_eq!(places.turn_away(one), [7]);
    assert_eq!(places.begin(one), NONE, "the other one tries");
    assert_eq!(places.enter(one, now), Entry::Failed("refused"));
    assert_eq!(places.enter(other, now), Entry::Granted);
    places.succeed(one);
    assert_eq!(places.enter(one, now), Entry::Granted, "it is over");
    // Now there is a connection to wait for.
    places.begin(one);
    assert!(!places.fail(one, "refused"));
    places.begin(one);
    assert_eq!(places.enter(one, now), Entry::Granted);
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
    assert_eq!(places.enter(other, later), Entry::Granted);
    let mut alone = Numbers::new(1);
    let only = alone.open(now);
    assert_eq!(alone.enter(only, now), Entry::Granted);
    alone.wait(only, 0);
    assert_eq!(alone.enter(only, later), Entry::Wait, "nobody else is kept waiting");
}

#[test]
fn replaced_settings_are_tried_at_once() {
    let now = Instant::now();
    let (mut places, one, _) = two_pools(8, now);
    places.enter(one, now);
    places.begin(one);
    places.fail(one, "no such password");
    places.begin(one);
    places.forget_failure(one);
    assert_eq!(places.enter(one, now), Entry::Granted);
}
