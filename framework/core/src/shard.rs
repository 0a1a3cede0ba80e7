//! Shards: the objects, divided by a hash of their uids into equal ranges.
//!
//! Hash and ranges are those of Kubernetes' sharded list and watch
//! ([KEP-5866](https://github.com/kubernetes/enhancements/issues/5866)): FNV-1a with 64 bits, of the uid's text.

use crate::Uid;
use std::{
    fmt::{self, Write},
    num::NonZeroU16,
    ops::RangeInclusive,
    str::FromStr,
};

/// The most shards that an operator may have: each is a Lease, which is renewed every few seconds.
pub const MOST: u16 = 256;

/// The most ranges that a selector names, since it is part of a URL.
const MOST_RANGES: usize = 16;

/// The number of shards that the objects are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shards(NonZeroU16);

/// One of the shards, by its number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

/// A number of shards that can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidShards {
    given: String,
}

impl fmt::Display for InvalidShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no number of shards: it is from 1 to {MOST}", self.given)
    }
}

impl std::error::Error for InvalidShards {}

impl Default for Shards {
    fn default() -> Self {
        Self(NonZeroU16::MIN)
    }
}

impl FromStr for Shards {
    type Err = InvalidShards;

    fn from_str(text: &str) -> Result<Self, InvalidShards> {
        let number = text.parse().ok().filter(|number: &NonZeroU16| number.get() <= MOST);
        number.map(Self).ok_or_else(|| InvalidShards { given: text.to_owned() })
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Shards {
    /// How many they are.
    pub fn number(self) -> u16 {
        self.0.get()
    }

    /// All of them.
    pub fn all(self) -> impl DoubleEndedIterator<Item = Shard> + ExactSizeIterator {
        (0..self.number()).map(Shard)
    }

    /// The shard of an object.
    pub fn of(self, uid: &Uid) -> Shard {
        if self.number() == 1 { Shard(0) } else { self.of_hash(hash(uid)) }
    }

    fn of_hash(self, hash: u64) -> Shard {
        let number = (u128::from(hash) * u128::from(self.number())) >> u64::BITS;
        // It is less than the number of shards.
        Shard(u16::try_from(number).unwrap_or(u16::MAX))
    }

    /// The hashes of a shard's objects.
    pub fn range(self, shard: Shard) -> RangeInclusive<u64> {
        let begin = |shard: u128| {
            let number = u128::from(self.number());
            (shard << u64::BITS).div_ceil(number)
        };
        let (first, next) = (begin(u128::from(shard.0)), begin(u128::from(shard.0) + 1));
        u64::try_from(first).unwrap_or(u64::MAX)..=u64::try_from(next - 1).unwrap_or(u64::MAX)
    }
}

impl Shards {
    /// The API server's `shardSelector` for the objects of some shards, in their order: those, and if they are scattered, some
    /// others. None where these are all, or there are none.
    pub fn selector(self, shards: impl IntoIterator<Item = Shard>) -> Option<String> {
        let mut ranges: Vec<(u128, u128)> = Vec::new();
        for range in shards.into_iter().map(|shard| self.range(shard)) {
            let (begin, end) = (u128::from(*range.start()), u128::from(*range.end()) + 1);
            match ranges.last_mut() {
                Some((_, last)) if *last == begin => *last = end,
                _ => ranges.push((begin, end)),
            }
        }
        while ranges.len() > MOST_RANGES {
            let gap = |at: &usize| ranges[at + 1].0 - ranges[*at].1;
            let Some(nearest) = (0..ranges.len() - 1).min_by_key(gap) else { break };
            let (_, end) = ranges.remove(nearest + 1);
            ranges[nearest].1 = end;
        }
        let is_all = ranges[..] == [(0, 1 << u64::BITS)];
        let text = |(begin, end): &(u128, u128)| {
            format!("shardRange(object.metadata.uid, '0x{begin:016x}', '0x{end:016x}')")
        };
        let texts: Vec<_> = ranges.iter().map(text).collect();
        (!is_all && !texts.is_empty()).then(|| texts.join(" || "))
    }
}

/// FNV-1a with 64 bits of the uid's text.
pub fn hash(uid: &impl fmt::Display) -> u64 {
    struct Fnv(u64);
    impl Write for Fnv {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    // Nothing here fails.
    let _ = write!(fnv, "{uid}");
    fnv.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shards(number: u16) -> Shards {
        number.to_string().parse().unwrap()
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // The vectors of the hash's authors.
        let cases =
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)];
        for (text, expected) in cases {
            assert_eq!(hash(&text), expected, "{text}");
        }
    }

    #[test]
    fn quarters_begin_where_the_api_server_begins_them() {
        let begins = shards(4).all().map(|shard| *shards(4).range(shard).start());
        assert_eq!(begins.collect::<Vec<_>>(), [0, 1 << 62, 2 << 62, 3 << 62]);
        assert_eq!(*shards(4).range(Shard(3)).end(), u64::MAX);
    }

    #[test]
    fn a_number_of_shards_is_from_1_to_256() {
        for text in ["1", "4", "256"] {
            assert_eq!(text.parse::<Shards>().unwrap().to_string(), text);
        }
        for text in ["0", "257", "-1", "4.0", "", "many", "65536"] {
            let error = text.parse::<Shards>().unwrap_err().to_string();
            assert_eq!(error, format!("{text:?} is no number of shards: it is from 1 to 256"));
        }
    }

    #[test]
    fn a_selector_names_the_ranges_that_lie_together_once() {
        let selector = |number, of: &[u16]| shards(number).selector(of.iter().copied().map(Shard));
        let range = |begin, end| format!("shardRange(object.metadata.uid, '0x{begin}', '0x{end}')");
        assert_eq!((selector(4, &[]), selector(4, &[0, 1, 2, 3]), selector(1, &[0])), (None, None, None));
        let half = range("4000000000000000", "c000000000000000");
        assert_eq!(selector(4, &[1, 2]).unwrap(), half);
        let ends =
            [range("0000000000000000", "4000000000000000"), range("c000000000000000", "10000000000000000")];
        assert_eq!(selector(4, &[0, 3]).unwrap(), ends.join(" || "));
    }

    #[test]
    fn a_selector_of_many_scattered_shards_is_short_and_has_them_all() {
        let scattered: Vec<_> = (0..MOST).filter(|shard| shard % 3 == 1).map(Shard).collect();
        let selector = shards(MOST).selector(scattered.iter().copied()).unwrap();
        assert_eq!(selector.matches("shardRange").count(), MOST_RANGES);
        let bounds: Vec<_> = selector.split('\'').skip(1).step_by(2).collect();
        let number = |text: &str| u128::from_str_radix(&text[2..], 16).unwrap();
        let ranges: Vec<_> = bounds.chunks(2).map(|ends| number(ends[0])..number(ends[1])).collect();
        for shard in scattered {
            let begin = u128::from(*shards(MOST).range(shard).start());
            assert!(ranges.iter().any(|range| range.contains(&begin)), "{shard}");
        }
    }

    proptest! {
        #[test]
        fn each_hash_is_in_the_range_of_its_shard_and_the_ranges_are_one_behind_the_other(number in 1..=MOST, hash: u64) {
            let shards = shards(number);
            prop_assert!(shards.range(shards.of_hash(hash)).contains(&hash));
            let mut next = 0_u64;
            for range in shards.all().map(|shard| shards.range(shard)) {
                prop_assert_eq!(*range.start(), next);
                next = range.end().wrapping_add(1);
            }
            prop_assert_eq!(next, 0, "the last one ends with the last hash");
        }
    }
}
