//! What can happen to a cluster.

use proptest::{option, prelude::*};

/// What happens. Numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Somebody creates or changes an object.
    Change(usize),
    /// Somebody deletes an object.
    Delete(usize),
    /// Somebody changes an object so that a narrow watch no longer shows it, or shows it again.
    Hide(usize),
    /// The watch tells what comes next.
    Tell,
    /// The watch tells once more what it has told before.
    TellAgain(usize, usize),
    /// The watch is cut, and begins with a listing.
    List,
    /// A worker takes a job.
    Take,
    /// A worker writes, for handlers of raw events or for others.
    Write(usize, bool),
    /// A worker is done; the next look is due after so many seconds.
    Rest(usize, Option<u64>),
    /// A worker breaks down; it may know its object's version.
    Break(usize, bool),
    /// So many seconds pass.
    Wait(u64),
}

/// Any of these, the usual ones more often.
pub fn step() -> impl Strategy<Value = Step> {
    let some = 0..3_usize;
    prop_oneof![
        4 => some.clone().prop_map(Step::Change),
        1 => some.clone().prop_map(Step::Delete),
        1 => some.clone().prop_map(Step::Hide),
        8 => Just(Step::Tell),
        1 => (some.clone(), 0..9_usize).prop_map(|(object, version)| Step::TellAgain(object, version)),
        1 => Just(Step::List),
        6 => Just(Step::Take),
        3 => (some.clone(), any::<bool>()).prop_map(|(worker, spy)| Step::Write(worker, spy)),
        6 => (some.clone(), option::of(0..20_u64)).prop_map(|(worker, due)| Step::Rest(worker, due)),
        1 => (some, any::<bool>()).prop_map(|(worker, knows)| Step::Break(worker, knows)),
        2 => (0..40_u64).prop_map(Step::Wait),
    ]
}
