//! One seed, with all that happens in it.

use crate::run::{Outcome, run};
use jiff::Timestamp;

/// How to run a seed again and see what happens.
pub fn command(seed: u64) -> String {
    format!("KORF_SEEDS={seed} cargo test -p korf --test simulation seeds -- --nocapture")
}

/// Runs a seed and says all that happens; fails where something doesn't hold.
pub fn show(seed: u64) {
    let outcome = run(seed);
    println!("{}", tell(&outcome));
    let violations: Vec<_> = outcome.violations().into_iter().map(|violation| violation.0).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// All of a run, in the order of time.
fn tell(outcome: &Outcome) -> String {
    let mut told: Vec<(Timestamp, String)> = Vec::new();
    told.extend(outcome.lines.iter().map(|line| (line.at, format!("         {line}"))));
    told.extend(outcome.steps.iter().map(|(at, step)| (*at, format!("---- {step}"))));
    told.extend(outcome.exchanges.iter().map(|exchange| {
        let code = exchange.code.map_or("lost".to_owned(), |code| code.to_string());
        let lost = if exchange.answered || exchange.request.who != "operator" { "" } else { ", unanswered" };
        let version =
            exchange.effect.as_ref().map_or(String::new(), |effect| format!(" → {}", effect.revision));
        (exchange.at, format!("  {}: {} {code}{lost}{version}", exchange.request.who, exchange.request))
    }));
    told.sort_by_key(|(at, _)| *at);
    let lines = told.into_iter().map(|(at, line)| format!("{} {line}\n", at.strftime("%H:%M:%S%.3f")));
    format!("{}{}", outcome.history.world, lines.collect::<String>())
}
