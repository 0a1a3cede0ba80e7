//! Objects that handlers reject.

use super::{world::*, *};

#[test]
fn a_rejected_object_waits_for_a_change_and_does_not_become_the_diff_base() {
    let mut world = World::handled([handler("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &reject), ["u 1→2 #0", "rejected 0/1", "Rejected"]);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Rejected"]);
    world.set(3);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→3 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_rejected_object_is_retried_after_a_restart_and_written_only_if_the_outcome_differs() {
    let mut world = World::new([handler("c", Reason::Create)]);
    world.turn(Occasion::First, &reject);
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Occasion::First, &reject), ["c 1 #0", "rejected 0/1", "Rejected"]);
    assert_eq!(world.writes, writes);
    assert_eq!(world.turn(Occasion::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_rejected_change_that_is_reverted_is_finished() {
    let mut world = World::handled([handler("u", Reason::Update)]);
    world.set(2);
    world.turn(Occasion::Changed, &reject);
    world.set(1);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_rejected_essence_never_becomes_the_pending_diff_base() {
    let mut world = World::handled([handler("u", Reason::Update)]);
    world.set(2);
    world.turn(Occasion::Changed, &reject);
    world.set(3);
    world.turn(Occasion::Changed, &postpone);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Again, &succeed), ["u 1→3 #1", "processed 1/0", "Noop"]);
}

#[test]
fn handlers_that_saw_an_older_version_are_called_for_the_rejected_one_too() {
    let mut world = World::handled([handler("u", Reason::Update), handler("v", Reason::Update)]);
    let v = |outcome: fn() -> Outcome| move |id: &str| if id == "v" { outcome() } else { Outcome::Success };
    world.set(2);
    world.turn(Occasion::Changed, &v(retry));
    world.set(3);
    world.wait(10);
    let trace = world.turn(Occasion::Changed, &v(rejection));
    assert_eq!(trace, ["v 1→3 #1", "Restart", "u 1→3 #0", "v 1→3 #0", "rejected 1/1", "Rejected"]);
}

#[test]
fn a_handler_that_rejects_the_object_does_not_block_the_others() {
    let mut world = World::new([
        handler("a", Reason::Create),
        handler("b", Reason::Create),
        handler("c", Reason::Create),
    ]);
    let outcomes = |b: fn() -> Outcome| {
        move |id: &str| match id {
            "a" => rejection(),
            "b" => b(),
            _ => Outcome::Success,
        }
    };
    let trace = world.turn(Occasion::First, &outcomes(retry));
    assert_eq!(trace, ["a 1 #0", "b 1 #0", "c 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    let trace = world.turn(Occasion::First, &outcomes(|| Outcome::Success));
    assert_eq!(trace, ["a 1 #0", "b 1 #1", "rejected 2/1", "Rejected"]);
}

#[test]
fn a_change_that_was_rejected_and_reverted_before_that_was_stored_leaves_nobody_rejecting() {
    let mut world = World::handled(["a", "b", "c"].map(|id| handler(id, Reason::Update)));
    let first = |id: &str| if id == "a" { Outcome::Success } else { retry() };
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &first).last().unwrap(), "wait 10");
    world.set(3);
    world.wait(10);
    let Plan::Run(cycle) = world.plan(world.situation(Occasion::Changed)) else { panic!("nothing is due") };
    let outcome = |ready: &Ready| match &*world.setup.handlers[ready.handler].id {
        "b" => rejection(),
        _ => retry(),
    };
    let outcomes: Vec<_> = cycle
        .ready
        .iter()
        .map(|ready| HandlerOutcome { ready: *ready, outcome: outcome(ready), subs: Vec::new() })
        .collect();
    world.set(2);
    world.settle(&cycle, &outcomes);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["a 1→2 #0", "b 1→2 #0", "c 1→2 #0", "processed 3/0", "Noop"]);
}
