//! Deletions: reasons to keep an object, and to release it.

use super::{world::*, *};
use crate::patch::Finalizer;

#[test]
fn a_deletion_supersedes_an_unfinished_creation() {
    let mut world = World::new([handler("c", Reason::Create), handler("d", Reason::Delete)]);
    world.turn(Occasion::First, &postpone);
    world.delete();
    let plan = world.plan(world.situation(Occasion::Changed));
    let Plan::Run(cycle) = plan else { panic!("{plan:?}") };
    let counts = Counts { succeeded: 0, failed: 0, running: 1 };
    assert_eq!(cycle.superseded, Some((Reason::Create, counts)));
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["d 1 #0", "processed 1/0", "Free"]);
    assert_eq!(world.annotations(), [] as [&str; 0]);
}

#[test]
fn a_create_handler_and_a_delete_handler_with_the_same_id_are_both_called() {
    let mut world = World::new([
        handler("x", Reason::Create),
        handler("y", Reason::Create),
        handler("x", Reason::Delete),
    ]);
    let y_fails = |id: &str| if id == "y" { retry() } else { Outcome::Success };
    world.turn(Occasion::First, &y_fails);
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["x 1 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_permanently_failed_deletion_keeps_the_object_until_it_changes_or_the_operator_restarts() {
    let mut world = World::handled([handler("d", Reason::Delete), handler("e", Reason::Delete)]);
    let e_fails = |id: &str| if id == "e" { failure() } else { Outcome::Success };
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &e_fails), ["d 1→1 #0", "e 1→1 #0", "held 1/1", "Held"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.turn(Occasion::Again, &succeed), ["Held"]);
    assert_eq!(world.turn(Occasion::First, &e_fails), ["e 1→1 #0", "held 1/1", "Held"]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["e 1→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_object_that_was_always_rejected_is_released() {
    let mut world = World::new([handler("c", Reason::Create), handler("d", Reason::Delete)]);
    world.turn(Occasion::First, &reject);
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &reject), ["d 1 #0", "Released", "Free"]);
}

#[test]
fn a_rejected_object_is_kept_if_handlers_were_called_for_it_before() {
    let mut world = World::new([handler("c", Reason::Create), handler("d", Reason::Delete)]);
    world.turn(Occasion::First, &postpone);
    world.delete();
    for occasion in [Occasion::Changed, Occasion::First] {
        assert_eq!(world.turn(occasion, &reject), ["d 1 #0", "held 0/1", "Held"]);
    }
}

#[test]
fn nothing_is_planned_for_an_object_that_is_gone() {
    let world = World::new([handler("c", Reason::Create), handler("d", Reason::Delete)]);
    let plan = world.plan(Situation { gone: true, ..world.situation(Occasion::First) });
    assert!(matches!(plan, Plan::Idle(Idle::Gone)), "{plan:?}");
}

#[test]
fn an_optional_delete_handler_does_not_keep_the_object() {
    let optional = ChangeHandler {
        on: OnChange::Delete { optional: true, release_on_failure: false },
        ..handler("o", Reason::Delete)
    };
    let mut world = World::new([optional.clone()]);
    world.turn(Occasion::First, &succeed);
    assert_eq!(world.finalizers(), &Value::Null);
    let mut world = World::handled([optional, handler("d", Reason::Delete)]);
    world.delete();
    let o_fails = |id: &str| if id == "o" { failure() } else { Outcome::Success };
    assert_eq!(world.turn(Occasion::Changed, &o_fails), ["o 1→1 #0", "d 1→1 #0", "processed 1/1", "Free"]);
}

#[test]
fn a_delete_handler_may_release_the_object_when_it_fails_permanently() {
    let releasing = ChangeHandler {
        on: OnChange::Delete { optional: false, release_on_failure: true },
        ..handler("d", Reason::Delete)
    };
    let mut world = World::handled([releasing]);
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &fail), ["d 1→1 #0", "processed 0/1", "Free"]);
}

#[test]
fn a_delete_handler_whose_filter_no_longer_holds_gives_way_to_another_one() {
    let unlabelled = ChangeHandler {
        filter: Filter { labels: vec![("app".to_owned(), Match::Absent)], ..Filter::default() },
        ..handler("d", Reason::Delete)
    };
    let mut world = World::handled([unlabelled.clone(), labelled("e", Reason::Delete)]);
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &postpone), ["d 1→1 #0", "open 10", "wait 10"]);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["e 1→1 #0", "processed 1/0", "Free"]);

    // While the other one is retried, its attempts are remembered.
    let mut twice = World::handled([unlabelled.clone(), labelled("e", Reason::Delete)]);
    twice.delete();
    twice.turn(Occasion::Changed, &postpone);
    twice.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(twice.turn(Occasion::Changed, &postpone), ["e 1→1 #0", "open 10", "wait 10"]);
    twice.object["metadata"]["labels"] = json!({});
    twice.wait(10);
    assert_eq!(twice.turn(Occasion::Changed, &succeed), ["d 1→1 #1", "processed 1/0", "Free"]);

    let mut alone = World::handled([unlabelled]);
    alone.delete();
    alone.turn(Occasion::Changed, &fail);
    alone.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(alone.turn(Occasion::Changed, &succeed), ["Stealth"]);
    assert_eq!(alone.finalizers(), &json!([]));
}

#[test]
fn a_deletion_that_fails_again_for_the_same_reason_writes_nothing() {
    let mut world = World::handled([handler("d", Reason::Delete)]);
    world.delete();
    world.turn(Occasion::Changed, &fail);
    let writes = world.writes;
    world.wait(100);
    assert_eq!(world.turn(Occasion::Changed, &fail), ["d 1→1 #0", "held 0/1", "Held"]);
    assert_eq!(world.writes, writes);
}

#[test]
fn all_failed_delete_handlers_are_retried_even_one_at_a_time() {
    let mut world = World::handled([handler("d", Reason::Delete), handler("e", Reason::Delete)]);
    world.delete();
    world.turn(Occasion::Changed, &fail);
    world.setup.one_at_a_time = true;
    world.set(2);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["d 1→2 #0", "open 0", "e 1→2 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_object_is_kept_until_its_daemons_have_ended_and_its_delete_handlers_wait_for_that() {
    let held =
        |world: &World, hold| match world.plan(Situation { hold, ..world.situation(Occasion::Changed) }) {
            Plan::Idle(idle) => format!("{idle:?}"),
            Plan::Write(Finalizer::Add(_)) => "Add".to_owned(),
            Plan::Write(Finalizer::Remove(_)) => "Remove".to_owned(),
            Plan::Run(_) => "Run".to_owned(),
            Plan::Wait(_) => "Wait".to_owned(),
        };
    let all = [Hold::None, Hold::Needed, Hold::Running];
    let mut creating = World::handled([handler("c", Reason::Create)]);
    assert_eq!(all.map(|hold| held(&creating, hold)), ["Noop", "Add", "Add"]);
    creating.object["metadata"]["finalizers"] = json!([FINALIZER]);
    assert_eq!(all.map(|hold| held(&creating, hold)), ["Remove", "Noop", "Noop"]);
    creating.delete();
    assert_eq!(held(&creating, Hold::None), "Remove");
    assert_eq!(held(&creating, Hold::Running), "Awaiting");
    let mut deleting = World::handled([handler("d", Reason::Delete)]);
    deleting.delete();
    assert_eq!(held(&deleting, Hold::Running), "Awaiting");
    assert_eq!(held(&deleting, Hold::None), "Run");
    assert_eq!(held(&World::new([]), Hold::Needed), "Add", "no change handler has to be for it");
}
