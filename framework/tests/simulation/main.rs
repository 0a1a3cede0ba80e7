//! The whole operator on a cluster in memory, in thousands of worlds, one for each seed.
//!
//! A seed makes a [`world`] (handlers with options and scripts, an operator, a network) and a [`story`] (what users do).
//! Requests fail, watches break, events get lost, operators die ([`faults`]). After the story, the cluster has to come to
//! rest, and the [`invariants`] have to hold. A share of the seeds aims at each promise ([`focus`]); the others are as
//! broad as can be.
//!
//! `KORF_SEEDS=7 cargo test --test simulation seeds -- --nocapture` runs one seed and prints all of it;
//! `KORF_SEEDS=0..100` runs some; `cargo simulate` runs a hundred thousand in a release build. `KORF_FAILURES=1` stops at
//! the first failure.

#![expect(clippy::expect_used, reason = "in a test, a panic with its place is the best message")]

mod asked;
mod bell;
mod catalog;
mod crowd;
mod daemon;
mod faults;
mod focus;
mod history;
mod invariants;
mod play;
mod pool;
mod record;
mod replay;
mod role;
mod run;
mod script;
mod story;
mod tally;
mod thing;
mod timer;
mod user;
mod world;

use std::{collections::BTreeSet, env, ops::Range, thread};

/// The seeds of the test command.
const FIXED: Range<u64> = 0..2_000;
/// The seeds of `cargo simulate`.
const MANY: Range<u64> = 0..100_000;
/// The seeds that are run twice.
const ALIKE: Range<u64> = 0..30;

/// `KORF_SEEDS`, if it is set: `7`, or `0..100`.
fn chosen() -> Option<Range<u64>> {
    let text = env::var("KORF_SEEDS").ok()?;
    let number =
        |text: &str| text.trim().parse::<u64>().expect("KORF_SEEDS is a number, or two as in 0..100");
    Some(match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    })
}

fn simulate(seeds: Range<u64>) {
    let number = seeds.end - seeds.start;
    if number == 1 {
        return replay::show(seeds.start);
    }
    let _ticker = korf_sandbox::Ticker::start(&format!("simulating {number} worlds"));
    let report = pool::run_all(seeds.clone());
    println!("seeds {seeds:?}: {} runs\n{}", report.runs, report.tally);
    let failed: Vec<_> = report.failed.iter().map(|(seed, why)| format!("seed {seed}: {why}")).collect();
    assert!(failed.is_empty(), "{} runs failed:\n{}", failed.len(), failed.join("\n"));
    if number >= FIXED.end {
        assert_eq!(report.tally.missing(), [] as [&str; 0], "that has to happen, too");
    }
}

#[test]
fn what_holds_holds_for_all_seeds() {
    simulate(chosen().unwrap_or(FIXED));
}

#[test]
#[ignore = "takes long: `cargo simulate`"]
fn what_holds_holds_for_a_hundred_thousand_seeds() {
    simulate(chosen().unwrap_or(MANY));
}

#[test]
fn the_same_seed_is_the_same_run() {
    // On another thread: a run must not depend on anything outside of it.
    let digests = |seeds: Range<u64>| seeds.map(|seed| run::run(seed).digest()).collect::<Vec<_>>();
    let others = thread::spawn(move || digests(ALIKE));
    let digests = digests(ALIKE);
    assert_eq!(digests, others.join().expect("it ends"));
    let different: BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "another seed is another run");
}
