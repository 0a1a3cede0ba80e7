//! Deletions: what keeps an object, and what lets it go.

use super::{world::*, *};

#[test]
fn a_deletion_supersedes_a_creation_that_is_not_done() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| retry());
    world.delete();
    let plan = plan(&world.setup, &world.body(), world.sight(Look::Changed), world.now);
    let Plan::Run(cycle) = plan else { panic!("{plan:?}") };
    let counts = Counts { succeeded: 0, failed: 0, running: 1 };
    assert_eq!(cycle.superseded, Some((Reason::Create, counts)));
    assert_eq!(world.turn(Look::Changed, &succeed), ["d 1 #0", "processed 1/0", "Free"]);
    assert_eq!(world.annotations(), [] as [&str; 0]);
}

#[test]
fn one_id_for_creation_and_deletion_is_called_for_both() {
    let mut world =
        World::new([task("x", Reason::Create), task("y", Reason::Create), task("x", Reason::Delete)]);
    let y_fails = |id: &str| if id == "y" { retry() } else { Outcome::Success };
    world.turn(Look::First, &y_fails);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &succeed), ["x 1 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_deletion_that_failed_for_good_keeps_the_object_until_it_changes_or_a_restart() {
    let mut world = World::handled([task("d", Reason::Delete), task("e", Reason::Delete)]);
    let e_fails = |id: &str| if id == "e" { gave_up() } else { Outcome::Success };
    world.delete();
    assert_eq!(world.turn(Look::Changed, &e_fails), ["d 1→1 #0", "e 1→1 #0", "held 1/1", "Held"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.turn(Look::Again, &succeed), ["Held"]);
    assert_eq!(world.turn(Look::First, &e_fails), ["e 1→1 #0", "held 1/1", "Held"]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["e 1→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_object_that_no_handler_could_ever_read_is_let_go() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| unreadable());
    world.delete();
    assert_eq!(world.turn(Look::Changed, &|_| unreadable()), ["d 1 #0", "Released", "Free"]);
}

#[test]
fn an_object_that_handlers_were_called_for_is_not_let_go_unread() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    world.turn(Look::First, &|_| retry());
    world.delete();
    for look in [Look::Changed, Look::First] {
        assert_eq!(world.turn(look, &|_| unreadable()), ["d 1 #0", "held 0/1", "Held"]);
    }
}

#[test]
fn an_object_that_is_gone_asks_for_nothing() {
    let world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    let plan = plan(&world.setup, &world.body(), Sight { gone: true, ..world.sight(Look::First) }, world.now);
    assert!(matches!(plan, Plan::Rest(Rest::Gone)), "{plan:?}");
}

#[test]
fn an_optional_deletion_handler_does_not_keep_the_object() {
    let optional =
        Task { on: Trigger::Delete { optional: true, lets_go: false }, ..task("o", Reason::Delete) };
    let mut world = World::new([optional.clone()]);
    world.turn(Look::First, &succeed);
    assert_eq!(world.finalizers(), &Value::Null);
    let mut world = World::handled([optional, task("d", Reason::Delete)]);
    world.delete();
    let o_fails = |id: &str| if id == "o" { gave_up() } else { Outcome::Success };
    assert_eq!(world.turn(Look::Changed, &o_fails), ["o 1→1 #0", "d 1→1 #0", "processed 1/1", "Free"]);
}

#[test]
fn a_deletion_handler_may_let_the_object_go_when_it_fails_for_good() {
    let letting =
        Task { on: Trigger::Delete { optional: false, lets_go: true }, ..task("d", Reason::Delete) };
    let mut world = World::handled([letting]);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["d 1→1 #0", "processed 0/1", "Free"]);
}

#[test]
fn a_failed_deletion_that_fails_again_for_the_same_reason_writes_nothing() {
    let mut world = World::handled([task("d", Reason::Delete)]);
    world.delete();
    world.turn(Look::Changed, &|_| gave_up());
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["d 1→1 #0", "held 0/1", "Held"]);
    assert_eq!(world.writes, writes);
}

#[test]
fn all_failed_deletion_handlers_are_tried_again_though_one_at_a_time() {
    let mut world = World::handled([task("d", Reason::Delete), task("e", Reason::Delete)]);
    world.delete();
    world.turn(Look::Changed, &|_| gave_up());
    world.setup.one_at_a_time = true;
    world.set(2);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["d 1→2 #0", "open 0", "e 1→2 #0", "processed 2/0", "Free"]);
}
