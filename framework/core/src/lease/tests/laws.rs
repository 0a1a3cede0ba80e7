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

/// Nothing is disturbed any more, and what was goes on.
fn rest(world: &mut World) {
    world.network = CALM;
    for at in 0..world.replicas.len() {
        world.replicas[at].paused = 0;
        world.replicas[at].drain = 100;
        world.break_watch(0);
    }
    // What is on its way may take this long, and then there are some leases to wait for.
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
        rest(&mut world);
        let staying = world.replicas.iter().filter(|replica| !replica.is_stopping);
        let held: Vec<_> = staying.map(|replica| replica.valid(world.now).count()).collect();
        prop_assert_eq!(held.iter().sum::<usize>(), usize::from(number), "{:?}", held);
        let (most, least) = (held.iter().max().unwrap(), held.iter().min().unwrap());
        prop_assert!(most - least <= 1, "{:?}", held);
    }

    #[test]
    fn no_object_has_two_holders_while_replicas_differ_in_the_number_of_shards_and_one_number_wins(seed: u64) {
        let mut world = World::new(seed);
        disturb(&mut world, &[1, 4, 16]);
        rest(&mut world);
        let mut holders: Vec<_> = world.replicas.iter().filter(|replica| replica.valid(world.now).count() > 0).collect();
        holders.retain(|replica| !replica.is_stopping);
        let number = holders.first().map(|replica| replica.shards.number());
        prop_assert!(holders.iter().all(|replica| Some(replica.shards.number()) == number));
        let held: usize = holders.iter().map(|replica| replica.valid(world.now).count()).sum();
        prop_assert_eq!(Some(held), number.map(usize::from));
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
        prop_assert_eq!(moves(&world) - before - share, leaving);
        prop_assert_eq!(world.replicas.len(), replicas);
    }
}
