//! What has to hold of every run: one pure function of its history each.

mod alone;
mod closed;
mod finalizer;
mod fresh;
mod handled;
mod outcomes;
mod quiet;
mod rest;
mod sample;
mod sound;
mod started;
mod target;

use crate::history::{History, Violation};

type Invariant = fn(&History) -> Vec<Violation>;

const ALL: [(&str, Invariant); 15] = [
    ("the last state was handled", handled::last_state),
    ("a creation was handled", closed::creations),
    ("an update was handled", closed::updates),
    ("a parent is done after its sub-handlers", closed::sub_handlers),
    ("what is there at a start is resumed", started::resumed),
    ("the last event was heard", started::heard),
    ("what handlers have asked for is there", outcomes::kept),
    ("at rest, the last essence is the diff-base, and nothing else is kept", rest::at_rest),
    ("where nothing is done any more, nothing is written", quiet::no_loop),
    ("the finalizer goes after the deletion handlers", finalizer::kept_long_enough),
    ("the finalizer comes before all handlers", finalizer::early_enough),
    ("the calls for one object don't overlap", alone::no_overlap),
    ("every write is guarded, and hits the object that it is for", target::guarded),
    ("nothing breaks inside of the framework", sound::unbroken),
    ("handlers see states that aren't older than our own writes, once", fresh::seen),
];

/// All that doesn't hold.
pub fn check(history: &History) -> Vec<Violation> {
    let found = |(name, invariant): &(&str, Invariant)| {
        let violations = invariant(history).into_iter();
        violations.map(|violation| Violation(format!("{name}: {}", violation.0))).collect::<Vec<_>>()
    };
    ALL.iter().flat_map(found).collect()
}
