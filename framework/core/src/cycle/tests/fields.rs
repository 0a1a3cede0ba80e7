//! Field handlers.

use super::{world::*, *};

#[test]
fn a_field_handler_is_called_for_any_change_of_its_field_including_creation() {
    let mut world =
        World::new([on_field("f", OnChange::Field, "spec.x"), on_field("g", OnChange::Field, "spec.y")]);
    assert_eq!(world.turn(Occasion::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["spec"]["y"] = 7.into();
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["g 1→1 #0", "processed 1/0", "Noop"]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_field_outside_the_spec_is_part_of_the_essence_if_a_handler_watches_it() {
    let mut world = World::handled([on_field("f", OnChange::Field, "status.phase")]);
    world.object["status"] = json!({"phase": "Running", "other": 1});
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["status"]["other"] = 2.into();
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Noop"]);
}

#[test]
fn a_field_change_reverted_after_a_failed_attempt_runs_its_handler_once_more() {
    let mut world =
        World::handled([on_field("f", OnChange::Field, "spec.x"), on_field("u", OnChange::Update, "spec.x")]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &postpone), ["f 1→2 #0", "u 1→2 #0", "open 10", "wait 10"]);
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 1→1 #1", "u 1→1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_rejected_change_of_a_field_that_is_reverted_never_becomes_the_diff_base() {
    let mut world = World::handled([on_field("f", OnChange::Update, "spec.x")]);
    world.set(2);
    world.turn(Occasion::Changed, &reject);
    world.set(1);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 1→1 #0", "processed 1/0", "Noop"]);
    world.set(3);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 1→3 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_change_that_is_reverted_before_a_handlers_turn_and_made_again_is_not_lost() {
    let mut world = World::handled([
        handler("a", Reason::Update),
        handler("b", Reason::Update),
        on_field("f", OnChange::Update, "spec.x"),
    ]);
    world.setup.one_at_a_time = true;
    world.set(2);
    for _ in ["a", "b"] {
        let Plan::Run(cycle) = world.plan(world.situation(Occasion::Changed)) else {
            panic!("a handler is due")
        };
        let outcome = HandlerOutcome { ready: cycle.ready[0], outcome: Outcome::Success, subs: Vec::new() };
        world.settle(&cycle, &[outcome]);
    }
    world.set(1);
    let Plan::Run(end) = world.plan(world.situation(Occasion::Changed)) else {
        panic!("the cycle is to be ended")
    };
    assert_eq!(end.ready, []);
    world.set(2);
    world.settle(&end, &[]);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["f 2→2 #0", "processed 1/0", "Noop"]);
}
