//! The whole operator on a cluster in memory, in thousands of worlds, each of which is a number.
//!
//! A seed makes a [`world`]: handlers with options and a script of what they do, an operator, a network. It makes a
//! [`story`], too: what users do. Requests fail, watches break, events are lost, operators die ([`faults`]). When the story
//! is told, everything has to come to an end that is known beforehand ([`invariants`]).
//!
//! `KORF_SEEDS=7 cargo test -p korf --test simulation seeds -- --nocapture` runs one seed and shows all that happened in
//! it; `KORF_SEEDS=0..100` runs some; `cargo simulate` runs a hundred thousand in a release build.

#![expect(clippy::expect_used, reason = "in a test, a panic with its place is the best message")]

mod asked;
mod faults;
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
mod world;

use std::{collections::BTreeSet, env, ops::Range, thread};

/// What the test command runs.
const FIXED: Range<u64> = 0..2_000;
/// What `cargo simulate` runs.
const MANY: Range<u64> = 0..100_000;
/// What is run twice.
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
    // On threads of their own: all that a run depends on has to be in it.
    let digests = |seeds: Range<u64>| seeds.map(|seed| run::run(seed).digest()).collect::<Vec<_>>();
    let others = thread::spawn(move || digests(ALIKE));
    let digests = digests(ALIKE);
    assert_eq!(digests, others.join().expect("it ends"));
    let different: BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "another seed is another run");
}
