//! Invariants of every run: each is a pure function of the run's history.

mod alone;
mod closed;
mod crowded;
mod daemons;
mod finalizer;
mod fresh;
mod handled;
mod indexed;
mod outcomes;
mod quiet;
mod rearmed;
mod rest;
mod retried;
mod sample;
mod sound;
mod started;
mod target;
mod ticks;
mod told;
mod triggered;
mod untouched;

use crate::history::{History, Violation};

type Invariant = fn(&History) -> Vec<Violation>;

const ALL: [(&str, Invariant); 27] = [
    ("the last state was handled", handled::last_state),
    ("a creation was handled", closed::creations),
    ("an update was handled", closed::updates),
    ("a parent is done after its sub-handlers", closed::sub_handlers),
    ("what is there at a start is resumed", started::resumed),
    ("event handlers see the last version", started::heard),
    ("what handlers asked for is there", outcomes::kept),
    ("at rest, the last essence is the diff-base, and nothing else is kept", rest::at_rest),
    ("a quiet cluster stays quiet", quiet::no_loop),
    ("the finalizer goes after the delete handlers", finalizer::kept_long_enough),
    ("the finalizer comes before all handlers", finalizer::early_enough),
    ("the calls for one object don't overlap", alone::no_overlap),
    ("every write is guarded, and hits the object that it is for", target::guarded),
    ("no write is repeated after a conflict", target::in_vain),
    ("nothing breaks inside the framework", sound::unbroken),
    ("retries count on, and wait until they are due", retried::in_order),
    ("event handlers are called for the end", told::of_the_end),
    ("a deletion that has failed permanently is tried again", rearmed::again),
    ("objects without handlers are left alone", untouched::by_us),
    ("a trigger is never lost", triggered::none_lost),
    ("timers tick at their intervals", ticks::in_time),
    ("an index equals the listing when all is quiet", indexed::equals_the_listing),
    ("indexes are filled before all handlers", indexed::filled_first),
    ("a daemon never runs twice for one object", daemons::once),
    ("a daemon runs for its objects alone", daemons::for_its_objects),
    ("a daemon that keeps its object ends before it", daemons::kept),
    ("handlers see states that aren't older than our own writes, once", fresh::seen),
];

/// Those of runs with replicas. What is said of one life of an operator isn't said of a replica.
const OF_CROWDS: [(&str, Invariant); 18] = [
    ("the last state was handled", handled::last_state),
    ("a creation was handled", closed::creations),
    ("an update was handled", closed::updates),
    ("a parent is done after its sub-handlers", closed::sub_handlers),
    ("at rest, the last essence is the diff-base, and nothing else is kept", rest::at_rest),
    ("a quiet cluster stays quiet", quiet::no_loop),
    ("the finalizer goes after the delete handlers", finalizer::kept_long_enough),
    ("the finalizer comes before all handlers", finalizer::early_enough),
    ("every write is guarded, and hits the object that it is for", target::guarded),
    ("no write is repeated after a conflict", target::in_vain),
    ("nothing breaks inside the framework", sound::unbroken),
    ("objects without handlers are left alone", untouched::by_us),
    ("what handlers asked for is there", outcomes::kept),
    ("handlers see states that aren't older than our own writes, once", fresh::seen),
    ("no handler without a lease", crowded::no_handler_without_lease),
    ("a deposed replica writes nothing", crowded::deposed_writes_nothing),
    ("the calls for one object don't overlap over replicas", crowded::one_at_a_time),
    ("retries count on, and wait until they are due", retried::in_order),
];

/// All broken invariants.
pub fn check(history: &History) -> Vec<Violation> {
    let all = if history.crowd.is_some() { &OF_CROWDS[..] } else { &ALL[..] };
    let found = |(name, invariant): &(&str, Invariant)| {
        let violations = invariant(history).into_iter();
        violations.map(|violation| Violation(format!("{name}: {}", violation.0))).collect::<Vec<_>>()
    };
    all.iter().flat_map(found).collect()
}
