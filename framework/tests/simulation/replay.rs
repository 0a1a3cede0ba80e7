//! Runs one seed and prints all that happens in it.

use crate::{
    history::{state, uid},
    run::{Outcome, run, run_crowd},
};
use jiff::Timestamp;
use korf_testing::api::Exchange;

/// The command that runs a seed again and prints it.
pub fn command(seed: u64) -> String {
    format!("KORF_SEEDS={seed} cargo test --test simulation seeds -- --nocapture")
}

/// Runs a seed and prints it; fails if an invariant is broken.
pub fn show(seed: u64) {
    let mut violations = Vec::new();
    for outcome in [run(seed)].into_iter().chain(run_crowd(seed)) {
        println!("{}", tell(&outcome));
        violations.extend(outcome.violations().into_iter().map(|violation| violation.0));
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A run, in the order of time.
fn tell(outcome: &Outcome) -> String {
    let mut told: Vec<(Timestamp, String)> = Vec::new();
    told.extend(outcome.steps.iter().map(|(at, step)| (*at, format!("---- {step}"))));
    let exchanges = outcome.exchanges.iter().filter(|exchange| is_worth_telling(exchange));
    told.extend(exchanges.map(|exchange| (exchange.at, asked(exchange))));
    told.extend(outcome.lines.iter().map(|line| {
        let object = line.object.as_ref().map(|object| format!("[{object}] ")).unwrap_or_default();
        (line.at, format!("  log: {:5} {object}{}", line.level, line.message))
    }));
    told.sort_by_key(|(at, _)| *at);
    let lines = told.into_iter().map(|(at, line)| format!("{} {line}\n", at.strftime("%H:%M:%S%.3f")));
    format!("{}{}", outcome.history.world, lines.collect::<String>())
}

/// Watches are opened again every minute: not worth a line.
fn is_worth_telling(exchange: &Exchange) -> bool {
    exchange.request.is_write() || exchange.code != Some(200)
}

fn asked(exchange: &Exchange) -> String {
    let code = exchange.code.map_or("lost".to_owned(), |code| code.to_string());
    let lost = if exchange.answered || exchange.request.client == "user" { "" } else { ", unanswered" };
    let effect = exchange.effect.as_ref();
    let effect = effect.map(|effect| format!(" → {} of {}", effect.revision, uid(state(effect))));
    format!("  {}: {} {code}{lost}{}", exchange.request.client, exchange.request, effect.unwrap_or_default())
}
