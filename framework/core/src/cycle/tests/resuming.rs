//! Resume handlers, called once after each start.

use super::{world::*, *};

#[test]
fn a_handled_object_is_resumed_once_after_a_start() {
    let mut world = World::handled([handler("c", Reason::Create), resuming()]);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Noop"]);
    world.initial = true;
    assert_eq!(world.turn(Occasion::First, &succeed), ["r 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 0);
}

#[test]
fn resume_handlers_join_an_update_but_no_creation_and_a_deletion_only_on_request() {
    let always = ChangeHandler { id: "s".into(), on: Trigger::Resume { deleted: true }, ..resuming() };
    let mut world = World::new([
        resuming(),
        always,
        handler("c", Reason::Create),
        handler("u", Reason::Update),
        handler("d", Reason::Delete),
    ]);
    world.initial = true;
    assert_eq!(world.turn(Occasion::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    (world.initial, world.object["spec"]["x"]) = (true, 2.into());
    assert_eq!(
        world.turn(Occasion::First, &succeed),
        ["r 1→2 #0", "s 1→2 #0", "u 1→2 #0", "processed 3/0", "Noop"]
    );
    world.initial = true;
    world.delete();
    assert_eq!(world.turn(Occasion::First, &succeed), ["s 2→2 #0", "d 2→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_unfinished_resumption_continues_in_an_update() {
    let mut world = World::handled([resuming(), handler("u", Reason::Update)]);
    world.initial = true;
    assert_eq!(world.turn(Occasion::First, &postpone), ["r 1→1 #0", "open 10", "wait 10"]);
    world.set(2);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["r 1→2 #1", "u 1→2 #0", "processed 2/0", "Noop"]);
}
