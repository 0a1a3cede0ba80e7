//! Runs seeds on all processors, and prints the progress.

use crate::{
    replay,
    run::{run, run_crowd},
    tally::Tally,
};
use std::{
    env,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);
/// The number of failed seeds that are printed at once.
const TOLD: usize = 5;

/// The results of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    pub runs: u64,
    pub tally: Tally,
    /// The seeds that failed, each with its first violation.
    pub failed: Vec<(u64, String)>,
}

struct Pool {
    seeds: Range<u64>,
    next: AtomicU64,
    begun: Instant,
    /// The number of failures after which no further seed is run.
    enough: usize,
    report: Mutex<(Report, Instant)>,
}

/// Runs seeds.
pub fn run_all(seeds: Range<u64>) -> Report {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new((Report::default(), begun));
    let pool = Pool { seeds, next, begun, enough: enough(), report };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| pool.work());
        }
    });
    pool.report.into_inner().unwrap_or_else(PoisonError::into_inner).0
}

/// `KORF_FAILURES`: after so many failures, no further seed is run.
fn enough() -> usize {
    let text = env::var("KORF_FAILURES").ok();
    text.map_or(usize::MAX, |text| text.trim().parse().expect("KORF_FAILURES is a number"))
}

impl Pool {
    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let (mut tally, mut violations) = (Tally::default(), Vec::new());
                for outcome in [run(seed)].into_iter().chain(run_crowd(seed)) {
                    violations.extend(outcome.violations().into_iter().map(|violation| violation.0));
                    tally.join(&outcome.tally);
                }
                (tally, violations)
            }));
            let (tally, violations) =
                outcome.unwrap_or_else(|_| (Tally::default(), vec!["it panicked".to_owned()]));
            self.note(seed, &tally, violations);
        }
    }

    fn note(&self, seed: u64, tally: &Tally, violations: Vec<String>) {
        let mut guard = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let (report, said) = &mut *guard;
        report.runs += 1;
        report.tally.join(tally);
        if let Some(first) = violations.into_iter().next() {
            if report.failed.len() < TOLD {
                println!("seed {seed}: {first}\n  again, with all that happens: {}", replay::command(seed));
            }
            report.failed.push((seed, first));
            if report.failed.len() >= self.enough {
                self.next.store(self.seeds.end, Ordering::Relaxed);
            }
        }
        if said.elapsed() >= PROGRESS {
            *said = Instant::now();
            let all = self.seeds.end - self.seeds.start;
            println!(
                "{} of {all} runs, {} s, {} failed",
                report.runs,
                self.begun.elapsed().as_secs(),
                report.failed.len()
            );
        }
    }
}
