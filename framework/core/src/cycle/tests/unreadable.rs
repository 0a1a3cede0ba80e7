//! Objects that handlers can't read.

use super::{world::*, *};

#[test]
fn what_cannot_be_read_waits_for_a_change_and_does_not_become_the_diff_base() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| unreadable()), ["u 1→2 #0", "refused 0/1", "Refused"]);
    assert_eq!(world.turn(Look::Changed, &succeed), ["Refused"]);
    world.set(3);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→3 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn what_could_not_be_read_is_tried_again_after_a_restart_and_written_only_if_that_says_something_new() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.turn(Look::First, &|_| unreadable());
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Look::First, &|_| unreadable()), ["c 1 #0", "refused 0/1", "Refused"]);
    assert_eq!(world.writes, writes);
    assert_eq!(world.turn(Look::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn a_change_that_could_not_be_read_and_was_taken_back_is_over() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| unreadable());
    world.set(1);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_refused_essence_is_no_basis_of_what_comes_after_it() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| unreadable());
    world.set(3);
    world.turn(Look::Changed, &|_| retry());
    world.wait(10);
    assert_eq!(world.turn(Look::Again, &succeed), ["u 1→3 #1", "processed 1/0", "Noop"]);
}

#[test]
fn handlers_that_saw_less_than_what_was_refused_are_called_for_it_too() {
    let mut world = World::handled([task("u", Reason::Update), task("v", Reason::Update)]);
    let v = |outcome: fn() -> Outcome| move |id: &str| if id == "v" { outcome() } else { Outcome::Success };
    world.set(2);
    world.turn(Look::Changed, &v(retry));
    world.set(3);
    world.wait(10);
    let trace = world.turn(Look::Changed, &v(unreadable));
    assert_eq!(trace, ["v 1→3 #1", "Restart", "u 1→3 #0", "v 1→3 #0", "refused 1/1", "Refused"]);
}

#[test]
fn one_handler_that_cannot_read_the_object_does_not_keep_the_others_from_it() {
    let mut world =
        World::new([task("a", Reason::Create), task("b", Reason::Create), task("c", Reason::Create)]);
    let outcomes = |b: fn() -> Outcome| {
        move |id: &str| match id {
            "a" => unreadable(),
            "b" => b(),
            _ => Outcome::Success,
        }
    };
    let trace = world.turn(Look::First, &outcomes(retry));
    assert_eq!(trace, ["a 1 #0", "b 1 #0", "c 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    let trace = world.turn(Look::First, &outcomes(|| Outcome::Success));
    assert_eq!(trace, ["a 1 #0", "b 1 #1", "refused 2/1", "Refused"]);
}
