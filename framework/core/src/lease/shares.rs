//! Fair shares: how many shards each replica should hold.

use std::{cmp::Reverse, collections::BTreeMap};

/// How many of these shards a replica should hold, among all replicas with what they hold.
///
/// Shares differ by one at most. The larger ones are for those that hold most, so that no more shards move than needed; then
/// for the first by identity, so that all replicas agree.
pub fn share(replica: &str, held: &BTreeMap<&str, usize>, shards: usize) -> usize {
    let replicas = held.len().max(1);
    let (least, larger) = (shards / replicas, shards % replicas);
    let mut order: Vec<_> = held.iter().map(|(replica, held)| (Reverse(*held), *replica)).collect();
    order.sort_unstable();
    let rank = order.iter().position(|(_, other)| *other == replica).unwrap_or(order.len());
    least + usize::from(rank < larger)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn shares(held: &BTreeMap<&str, usize>, shards: usize) -> Vec<usize> {
        held.keys().map(|replica| share(replica, held, shards)).collect()
    }

    #[test]
    fn the_larger_shares_are_for_those_that_hold_most() {
        for (held, shards_, expected) in [
            (&[("a", 0)][..], 4, &[4][..]),
            (&[("a", 4), ("b", 0)], 4, &[2, 2]),
            (&[("a", 4), ("b", 0), ("c", 0)], 4, &[2, 1, 1]),
            (&[("a", 1), ("b", 2), ("c", 0)], 4, &[1, 2, 1]),
            (&[("a", 2), ("b", 2), ("c", 0)], 4, &[2, 1, 1]),
            (&[("a", 0), ("b", 0), ("c", 0)], 2, &[1, 1, 0]),
            (&[("a", 0), ("b", 1), ("c", 1)], 2, &[0, 1, 1]),
        ] {
            assert_eq!(shares(&held.iter().copied().collect(), shards_), expected, "{held:?}");
        }
    }

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    proptest! {
        #[test]
        fn shares_are_all_shards_and_differ_by_one_and_as_few_move_as_can(
            held in vec(0_usize..40, 1..6), free in 0_usize..40,
        ) {
            let shards = held.iter().sum::<usize>() + free;
            let held: BTreeMap<_, _> = NAMES.into_iter().zip(held).collect();
            let shares = shares(&held, shards);
            prop_assert_eq!(shares.iter().sum::<usize>(), shards);
            let (most, least) = (shares.iter().max().unwrap(), shares.iter().min().unwrap());
            prop_assert!(most - least <= 1);
            let moved = |shares: &[usize]| -> usize {
                held.values().zip(shares).map(|(held, share)| held.saturating_sub(*share)).sum()
            };
            // All other ways to give the larger shares.
            let (replicas, larger) = (held.len(), shards % held.len());
            for choice in (0_u32..1 << replicas).filter(|choice| choice.count_ones() as usize == larger) {
                let other: Vec<_> =
                    (0..replicas).map(|at| shards / replicas + usize::from(choice >> at & 1 == 1)).collect();
                prop_assert!(moved(&shares) <= moved(&other), "{:?} {:?} {:?}", held, shares, other);
            }
        }
    }
}
