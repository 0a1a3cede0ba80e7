//! Resume handlers, called once after each start.

use super::{world::*, *};

#[test]
fn a_handled_object_is_resumed_once_after_a_start() {
    let mut world = World::handled([handler("c", Reason::Create), resuming()]);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Noop"]);
    world.resumption = Some(Resumption::Start);
    assert_eq!(world.turn(Occasion::First, &succeed), ["r 1→1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 0);
}

#[test]
fn resume_handlers_join_an_update_but_no_creation_and_a_deletion_only_on_request() {
    let always =
        ChangeHandler { id: "s".into(), on: OnChange::Resume { deleted: true, resync: None }, ..resuming() };
    let mut world = World::new([
        resuming(),
        always,
        handler("c", Reason::Create),
        handler("u", Reason::Update),
        handler("d", Reason::Delete),
    ]);
    world.resumption = Some(Resumption::Start);
    assert_eq!(world.turn(Occasion::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    (world.resumption, world.object["spec"]["x"]) = (Some(Resumption::Start), 2.into());
    assert_eq!(
        world.turn(Occasion::First, &succeed),
        ["r 1→2 #0", "s 1→2 #0", "u 1→2 #0", "processed 3/0", "Noop"]
    );
    world.resumption = Some(Resumption::Start);
    world.delete();
    assert_eq!(world.turn(Occasion::First, &succeed), ["s 2→2 #0", "d 2→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_unfinished_resumption_continues_in_an_update() {
    let mut world = World::handled([resuming(), handler("u", Reason::Update)]);
    world.resumption = Some(Resumption::Start);
    assert_eq!(world.turn(Occasion::First, &postpone), ["r 1→1 #0", "open 10", "wait 10"]);
    world.set(2);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["r 1→2 #1", "u 1→2 #0", "processed 2/0", "Noop"]);
}

#[test]
fn a_trigger_and_a_resync_call_resume_handlers_when_nothing_else_is_to_be_done_and_write_nothing() {
    for why in [Resumption::Trigger, Resumption::Resync, Resumption::Generation] {
        let mut world = World::handled([resuming(), handler("u", Reason::Update)]);
        world.resumption = Some(why);
        assert_eq!(world.turn(Occasion::Again, &succeed), ["r 1→1 #0", "processed 1/0", "Noop"]);
        assert_eq!(world.writes, 0, "{why:?}");
        world.set(2);
        world.resumption = Some(why);
        let expected = ["u 1→2 #0", "processed 1/0", "r 2→2 #0", "processed 1/0", "Noop"];
        assert_eq!(world.turn(Occasion::Changed, &succeed), expected, "{why:?}");
    }
}

#[test]
fn a_triggered_handler_that_fails_goes_on_after_a_restart_as_a_resumed_one() {
    let mut world = World::handled([resuming()]);
    world.resumption = Some(Resumption::Trigger);
    assert_eq!(world.turn(Occasion::Again, &postpone), ["r 1→1 #0", "open 10", "wait 10"]);
    assert_eq!(world.purpose("r"), "resume");
    world.wait(10);
    world.resumption = Some(Resumption::Start);
    assert_eq!(world.turn(Occasion::First, &succeed), ["r 1→1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}
