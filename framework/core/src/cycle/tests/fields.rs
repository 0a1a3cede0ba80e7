//! Handlers of a field.

use super::{world::*, *};

#[test]
fn a_handler_of_a_field_is_called_for_any_change_of_it_creation_included() {
    let mut world =
        World::new([of_field("f", Trigger::Field, "spec.x"), of_field("g", Trigger::Field, "spec.y")]);
    assert_eq!(world.turn(Look::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["spec"]["y"] = 7.into();
    assert_eq!(world.turn(Look::Changed, &succeed), ["g 1→1 #0", "processed 1/0", "Noop"]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_field_outside_the_spec_is_part_of_the_essence_once_a_handler_is_for_it() {
    let mut world = World::handled([of_field("f", Trigger::Field, "status.phase")]);
    world.object["status"] = json!({"phase": "Running", "other": 1});
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.object["status"]["other"] = 2.into();
    assert_eq!(world.turn(Look::Changed, &succeed), ["Noop"]);
}

#[test]
fn a_change_of_a_field_reverted_after_a_failed_attempt_runs_its_handler_once_more() {
    let mut world =
        World::handled([of_field("f", Trigger::Field, "spec.x"), of_field("u", Trigger::Update, "spec.x")]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| retry()), ["f 1→2 #0", "u 1→2 #0", "open 10", "wait 10"]);
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["f 1→1 #1", "u 1→1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}
