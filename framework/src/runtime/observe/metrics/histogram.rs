//! Histogram of durations: one number for each bucket, which no lock guards.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The upper bounds of the buckets, in milliseconds: from a write to a slow handler.
const BOUNDS: [u64; 16] =
    [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000];

/// How long something has taken, and how often.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is for all that has taken longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What a histogram has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    /// The sum, in seconds.
    pub sum: f64,
    /// How often.
    pub count: u64,
    /// The upper bounds in seconds, and how often it was above the one before.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Takes in how long it has taken once more.
    pub fn note(&self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.buckets[bucket].fetch_add(1, Relaxed);
        // 584 years go in.
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What it has come to. The count is that of the buckets, also while they change.
    pub fn buckets(&self) -> Buckets {
        let bounds = BOUNDS.iter().map(|bound| Duration::from_millis(*bound).as_secs_f64());
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        Buckets {
            sum: Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64(),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 5, 300_000, 300_001] {
            histogram.note(Duration::from_millis(milliseconds));
        }
        let Buckets { sum, count, buckets } = histogram.buckets();
        assert_eq!((sum, count), (600.009, 6));
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.001, 2), (0.005, 2), (300.0, 1), (f64::INFINITY, 1)]);
    }
}
