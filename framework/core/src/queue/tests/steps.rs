//! Steps of a cluster, at random.

use proptest::{option, prelude::*};

/// A step. Numbers choose among the existing objects, workers and versions.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// An object is created or changed.
    Change(usize),
    /// An object is deleted.
    Delete(usize),
    /// The watch delivers its next event.
    Deliver,
    /// The watch delivers an earlier event again.
    Redeliver(usize, usize),
    /// The watch breaks, and restarts with a listing.
    List,
    /// The kind is withdrawn, though its objects go on to exist, until the next listing.
    Hide,
    /// The place of the watch goes, and all objects with it.
    Withdraw,
    /// A trigger asks for a turn of an object.
    Trigger(usize),
    /// A worker takes a job.
    Take,
    /// A worker writes.
    Write(usize),
    /// A worker ends its turn; the retry and the next tick are due after so many seconds.
    Finish(usize, Option<u64>, Option<u64>),
    /// A turn fails; the worker may know its object's version.
    Fail(usize, bool),
    /// Another replica has all objects from now on.
    Leave,
    /// The objects are taken over, and listed again.
    Serve,
    /// Seconds pass.
    Wait(u64),
}

/// A random step, the usual ones more often.
pub fn step() -> impl Strategy<Value = Step> {
    let some = 0..3_usize;
    prop_oneof![
        4 => some.clone().prop_map(Step::Change),
        1 => some.clone().prop_map(Step::Delete),
        8 => Just(Step::Deliver),
        1 => (some.clone(), 0..9_usize).prop_map(|(object, version)| Step::Redeliver(object, version)),
        2 => Just(Step::List),
        1 => Just(Step::Hide),
        1 => Just(Step::Withdraw),
        6 => Just(Step::Take),
        2 => some.clone().prop_map(Step::Trigger),
        3 => some.clone().prop_map(Step::Write),
        6 => (some.clone(), option::of(0..20_u64), option::of(0..20_u64))
            .prop_map(|(worker, due, tick)| Step::Finish(worker, due, tick)),
        1 => (some, any::<bool>()).prop_map(|(worker, knows)| Step::Fail(worker, knows)),
        1 => Just(Step::Leave),
        2 => Just(Step::Serve),
        2 => (0..40_u64).prop_map(Step::Wait),
    ]
}
