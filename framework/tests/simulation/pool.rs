//! Runs seeds on all processors, and says how it goes.

use crate::{replay, run::run, tally::Tally};
use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// So often is said how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
/// So many seeds that failed are told of in full.
const TOLD: usize = 5;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    pub runs: u64,
    pub tally: Tally,
    /// What doesn't hold, by seeds.
    pub failed: Vec<(u64, String)>,
}

struct Pool {
    seeds: Range<u64>,
    next: AtomicU64,
    begun: Instant,
    report: Mutex<(Report, Instant)>,
}

/// Runs these seeds.
pub fn run_all(seeds: Range<u64>) -> Report {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let pool = Pool { seeds, next, begun, report: Mutex::new((Report::default(), begun)) };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| pool.work());
        }
    });
    pool.report.into_inner().unwrap_or_else(PoisonError::into_inner).0
}

impl Pool {
    fn work(&self) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let outcome = run(seed);
                let violations = outcome.violations().into_iter().map(|violation| violation.0);
                (outcome.tally.clone(), violations.collect::<Vec<_>>())
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
