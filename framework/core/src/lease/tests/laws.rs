//! Laws of the election.

use super::model::{CALM, Network, World};
use proptest::prelude::*;

/// Replicas come, go, are killed and paused on a bad network, for a minute or so.
fn disturb(world: &mut World, numbers: &[u16]) {
    for _ in 0..20 {
        let (delay, lost) = (world.rng.choice([30, 300, 3000, 12000]).unwrap_or(30), world.rng.u8(0..40));
        world.network = Network { delay, lost };
        let count = world.replicas.len();
        let at = world.rng.usize(0..count.max(1));
        match world.rng.u8(0..8) {
            _ if count == 0 => {}
            0 if count > 1 => world.kill(at),
            1 if count > 1 => world.stop(at),
            2 | 3 => world.replicas[at].paused = world.now + world.rng.u64(0..30_000),
            4 => world.break_watch(at),
            5 => world.replicas[at].drain = world.rng.u64(0..20_000),
            _ => {}
        }
        if count < 4 && (count == 0 || world.rng.bool()) {
            let number = world.rng.choice(numbers.iter().copied()).unwrap_or(1);
            world.start(number);
        }
        let seconds = world.rng.u64(1..8);
        world.run(seconds);
    }
}

/// Nothing is disturbed any more, and what was goes on. At least one replica stays.
fn rest(world: &mut World, numbers: &[u16]) {
    world.network = CALM;
    // All may have been told to stop: one that comes then finds what they have left behind.
    if world.replicas.iter().all(|replica| replica.is_stopping) {
        let number = world.rng.choice(numbers.iter().copied()).unwrap_or(1);
        world.start(number);
    }
    for at in 0..world.replicas.len() {
        world.replicas[at].paused = 0;
        world.replicas[at].drain = 100;
        world.break_watch(0);
    }
    // Messages that are on their way may take 12 s to the API server and 12 s back, and may renew a Lease of one that is gone. For
    // others it is over 16 s later, by the slowest clock; those with another number wait as long once more before they write it;
    // and they hold within three rounds of requests with a retry in between, which is 10 s: that makes 66 s.
    world.run(90);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_shard_has_two_holders_and_in_the_end_all_are_held_in_fair_shares(
        seed: u64, number in prop::sample::select(vec![1_u16, 4, 7, 16]),
    ) {
        let mut world = World::new(seed);
        disturb(&mut world, &[number]);
        rest(&mut world, &[number]);
        let staying = world.replicas.iter().filter(|replica| !replica.is_stopping);
        let held: Vec<_> = staying.map(|replica| replica.valid(world.now).count()).collect();
        prop_assert_eq!(held.iter().sum::<usize>(), usize::from(number), "{:?}", held);
        let (most, least) = (held.iter().max().unwrap(), held.iter().min().unwrap());
        prop_assert!(most - least <= 1, "{:?}", held);
    }

    #[test]
    fn no_object_has_two_holders_while_replicas_differ_in_the_number_of_shards_and_one_number_wins(seed: u64) {
        let mut world = World::new(seed);
        let numbers = [1, 4, 16];
        disturb(&mut world, &numbers);
        rest(&mut world, &numbers);
        let staying = world.replicas.iter().filter(|replica| !replica.is_stopping);
        let held = staying.map(|replica| (replica.shards.number(), replica.valid(world.now).count()));
        let held: Vec<_> = held.filter(|(_, held)| *held > 0).collect();
        let number = held.first().map(|(number, _)| *number);
        prop_assert!(held.iter().all(|(other, _)| Some(*other) == number), "{:?}", held);
        let count: usize = held.iter().map(|(_, held)| held).sum();
        prop_assert_eq!(Some(count), number.map(usize::from), "{:?}", held);
    }

    #[test]
    fn a_replica_that_joins_gets_its_share_and_one_that_leaves_gives_its_own_and_no_other_shard_moves(
        seed: u64, number in 2_u16..40, replicas in 1_usize..5,
    ) {
        let mut world = World::new(seed);
        for _ in 0..replicas {
            world.start(number);
            world.run(10);
        }
        let moves = |world: &World| world.leases.values().filter(|lease| lease.name.contains("-of-"))
            .map(|lease| lease.transitions).sum::<u64>();
        let before = moves(&world);
        world.start(number);
        world.run(20);
        let share = u64::from(number) / (replicas as u64 + 1);
        prop_assert_eq!(moves(&world) - before, share);
        let leaving = world.replicas[0].held.len() as u64;
        world.stop(0);
        world.run(20);
        // Those that take at the same time know each other's counts of a moment ago: one in some thousand cases takes a shard too
        // many, and hands it on.
        let moved = moves(&world) - before - share;
        prop_assert!((leaving..=leaving + replicas as u64).contains(&moved), "{moved} of {leaving}");
        prop_assert_eq!(world.replicas.len(), replicas);
    }
}
