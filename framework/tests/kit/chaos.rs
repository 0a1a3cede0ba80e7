//! Random faults of network and server, the same in each run.

use crate::lights::{House, Light, cluster, light, paint};
use korf_testing::{Line, api::Chaos};
use std::{collections::BTreeMap, time::Duration};

/// Runs a scenario with faults. Returns the result and the log.
fn run(seed: u64) -> (BTreeMap<String, String>, Vec<Line>) {
    let house = House::default();
    let mut cluster = cluster(&house);
    cluster.set_faults(Chaos::seeded(seed));
    let second = Duration::from_secs(1);
    for name in ["a", "b", "c"] {
        cluster.create(&light(name, "red")).unwrap();
        cluster.advance(second);
    }
    cluster.patch::<Light>("a", paint("blue")).unwrap();
    cluster.advance(second);
    cluster.restart().unwrap();
    cluster.delete::<Light>("b").unwrap();
    cluster.advance(second);
    cluster.patch::<Light>("c", paint("green")).unwrap();
    cluster.set_faults(());
    cluster.advance(Duration::from_secs(600));
    assert!(!cluster.exists::<Light>("b"), "seed {seed}");
    (house.colors(), cluster.lines())
}

#[test]
fn faults_do_not_change_the_result() {
    let expected = [("a", "blue"), ("c", "green")].map(|(name, color)| (name.to_owned(), color.to_owned()));
    for seed in 0..200 {
        assert_eq!(run(seed).0, expected.clone().into(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(7).1, run(7).1);
}
