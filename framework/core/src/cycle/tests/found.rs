//! Regressions that the simulation has found (`framework/tests/simulation`).

use super::{world::*, *};

fn of(id: &'static str, outcome: fn() -> Outcome) -> impl Fn(&str) -> Outcome {
    move |called| if called == id { outcome() } else { Outcome::Success }
}

/// Plans the next handlers.
fn begun(world: &World, occasion: Occasion) -> Cycle {
    match world.plan(world.situation(occasion)) {
        Plan::Run(cycle) => *cycle,
        plan => panic!("no handler is called: {plan:?}"),
    }
}

/// Settles the cycle with this outcome for all handlers.
fn end(world: &mut World, cycle: &Cycle, outcome: Outcome) -> String {
    let done = |ready: &Ready| HandlerOutcome { ready: *ready, outcome: outcome.clone(), subs: Vec::new() };
    let done: Vec<_> = cycle.ready.iter().map(done).collect();
    described(&world.settle(cycle, &done))
}

/// The state that the finished handlers saw is restored before the end of the cycle is written, or soon after.
#[test]
fn a_change_reverted_when_a_later_state_was_handled_calls_those_that_saw_it_once_more() {
    let mut world = World::handled([handler("u", Reason::Update), handler("v", Reason::Update)]);
    world.set(2);
    world.turn(Occasion::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Occasion::Changed);
    assert_eq!(end(&mut world, &cycle, Outcome::Success), "processed 2/0");
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["v 2→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_handler_that_has_not_begun_is_not_called_for_a_change_that_was_reverted() {
    let mut world = World::handled([handler("u", Reason::Update), handler("v", Reason::Update)]);
    world.setup.one_at_a_time = true;
    world.set(2);
    let cycle = begun(&world, Occasion::Changed);
    assert_eq!(end(&mut world, &cycle, retry()), "open 0");
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→1 #1", "processed 1/0", "Noop"]);
}

/// The time before the first attempt used to count.
#[test]
fn the_timeout_of_a_handler_starts_with_its_first_attempt() {
    let limits = Limits { timeout: Some(Duration::from_secs(15)), ..Limits::default() };
    let handlers =
        ["u", "v"].map(|id| ChangeHandler { limits: limits.clone(), ..handler(id, Reason::Update) });
    let mut world = World::handled(handlers);
    world.set(2);
    world.turn(Occasion::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Occasion::Changed);
    end(&mut world, &cycle, Outcome::Success);
    world.wait(100);
    let cycle = begun(&world, Occasion::First);
    assert!(cycle.ready.iter().all(|ready| ready.attempt.elapsed.is_zero()), "{:?}", cycle.ready);
    end(&mut world, &cycle, retry());
    world.wait(10);
    let cycle = begun(&world, Occasion::First);
    let elapsed: Vec<_> = cycle.ready.iter().map(|ready| ready.attempt.elapsed.as_secs()).collect();
    assert_eq!(elapsed, [10, 10]);
}

#[test]
fn update_handlers_are_called_where_a_create_handler_saw_a_later_state_that_was_reverted() {
    let creations = ["c", "d"].map(|id| handler(id, Reason::Create));
    let updates = [handler("u", Reason::Update), labelled("w", Reason::Update)];
    let mut world = World::new(creations.into_iter().chain(updates));
    world.turn(Occasion::First, &of("d", retry));
    world.set(2);
    world.wait(10);
    let cycle = begun(&world, Occasion::Changed);
    world.set(1);
    end(&mut world, &cycle, Outcome::Success);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→1 #0", "processed 1/0", "Noop"]);
}

/// The record of the update was taken for one of the deletion, and never became one.
#[test]
fn a_delete_handler_that_fails_as_the_update_did_is_not_called_forever() {
    let mut world = World::handled(
        ["x", "y"].into_iter().flat_map(|id| [handler(id, Reason::Update), handler(id, Reason::Delete)]),
    );
    world.set(2);
    world.turn(Occasion::Changed, &|id| if id == "x" { failure() } else { retry() });
    world.delete();
    let trace = world.turn(Occasion::Changed, &of("x", failure));
    assert_eq!(trace, ["x 1→2 #0", "y 1→2 #0", "held 1/1", "Held"]);
}

#[test]
fn only_delete_handlers_keep_an_object_when_they_fail_permanently() {
    let resuming = ChangeHandler {
        on: OnChange::Resume { deleted: true, resync: None },
        ..handler("r", Reason::Resume)
    };
    let field = on_field("f", OnChange::Field, "spec.x");
    let mut world = World::handled([resuming, field, handler("d", Reason::Delete)]);
    world.resumption = Some(Resumption::Start);
    world.set(2);
    world.delete();
    let trace = world.turn(Occasion::First, &|id| if id == "d" { Outcome::Success } else { failure() });
    assert_eq!(trace, ["r 1→2 #0", "f 1→2 #0", "d 1→2 #0", "processed 1/2", "Free"]);
}

#[test]
fn a_failed_resume_handler_keeps_the_object_if_a_delete_handler_has_its_id() {
    let resuming = ChangeHandler {
        on: OnChange::Resume { deleted: true, resync: None },
        ..handler("x", Reason::Resume)
    };
    let mut world = World::handled([resuming, handler("x", Reason::Delete)]);
    world.resumption = Some(Resumption::Start);
    world.delete();
    assert_eq!(world.turn(Occasion::First, &fail), ["x 1→1 #0", "held 0/1", "Held"]);
}

#[test]
fn a_change_during_a_resumption_is_handled_once() {
    let mut world = World::handled([resuming(), handler("s", Reason::Resume), handler("u", Reason::Update)]);
    world.resumption = Some(Resumption::Start);
    world.turn(Occasion::First, &of("s", retry));
    world.set(2);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["s 1→2 #1", "u 1→2 #0", "processed 3/0", "Noop"]);
}

#[test]
fn an_object_rejected_during_a_resumption_waits_for_a_change_too() {
    let mut world = World::handled([resuming(), handler("s", Reason::Resume), handler("u", Reason::Update)]);
    (world.resumption, world.setup.one_at_a_time) = (Some(Resumption::Start), true);
    let rejecting = of("r", rejection);
    let trace = world.turn(Occasion::First, &rejecting);
    assert_eq!(trace, ["r 1→1 #0", "open 0", "s 1→1 #0", "rejected 1/1", "Rejected"]);
    assert_eq!(world.turn(Occasion::Changed, &rejecting), ["Rejected"]);
    world.set(2);
    let trace = world.turn(Occasion::Changed, &succeed);
    let handled = ["r 1→2 #0", "open 0", "s 1→2 #0", "open 0", "u 1→2 #0", "processed 3/0", "Noop"];
    assert_eq!(trace, handled);
}

/// The rejected attempt had no effect: the handler never ran.
#[test]
fn a_handler_that_rejected_the_object_is_not_called_once_its_filter_no_longer_matches() {
    let mut world = World::new([labelled("c", Reason::Create), handler("d", Reason::Create)]);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(
        world.turn(Occasion::First, &of("c", rejection)),
        ["c 1 #0", "d 1 #0", "rejected 1/1", "Rejected"]
    );
    world.object["metadata"]["labels"] = json!({});
    assert_eq!(world.turn(Occasion::Changed, &of("c", rejection)), ["processed 1/0", "Skipped", "Noop"]);
}

#[test]
fn a_handler_that_ran_before_it_rejected_the_object_is_called_once_more() {
    let field = |id| on_field(id, OnChange::Field, "spec.x");
    let mut world = World::handled([field("f"), field("g")]);
    world.set(2);
    world.turn(Occasion::Changed, &postpone);
    world.wait(10);
    assert_eq!(
        world.turn(Occasion::Again, &of("f", rejection))[..3],
        ["f 1→2 #1", "g 1→2 #1", "rejected 1/1"]
    );
    world.set(1);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["f 1→1 #0", "g 1→1 #0", "processed 2/0", "Noop"]);
}

#[test]
fn handlers_that_saw_a_rejected_change_are_called_for_its_reversal_even_one_at_a_time() {
    let handlers = [
        handler("u", Reason::Update),
        on_field("f", OnChange::Field, "spec.x"),
        handler("v", Reason::Update),
    ];
    let mut world = World::handled(handlers);
    world.setup.one_at_a_time = true;
    world.set(2);
    let trace = world.turn(Occasion::Changed, &of("v", rejection));
    assert_eq!(trace[2..], ["f 1→2 #0", "open 0", "v 1→2 #0", "rejected 2/1", "Rejected"]);
    world.set(1);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["u 1→1 #0", "open 0", "f 1→1 #0", "processed 2/0", "Noop"]);
}

#[test]
fn handlers_that_saw_a_change_are_called_for_its_reversal_though_the_cycle_restarts() {
    let handlers = [
        handler("u", Reason::Update),
        on_field("f", OnChange::Field, "spec.x"),
        handler("v", Reason::Update),
    ];
    let mut world = World::handled(handlers);
    world.set(2);
    world.turn(Occasion::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Occasion::Changed);
    world.set(1);
    assert_eq!(end(&mut world, &cycle, rejection()), "Restart");
    assert_eq!(world.turn(Occasion::Changed, &succeed)[..2], ["u 1→1 #0", "f 1→1 #0"]);
}

#[test]
fn a_deletion_continues_if_another_delete_handler_matches_meanwhile() {
    let mut world = World::handled([handler("d", Reason::Delete), labelled("e", Reason::Delete)]);
    world.delete();
    let cycle = begun(&world, Occasion::Changed);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(end(&mut world, &cycle, Outcome::Success), "open 0");
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["e 1→1 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_object_is_kept_if_one_delete_handler_fails_though_another_one_always_rejected_it() {
    let mut world = World::new([handler("d", Reason::Delete), handler("e", Reason::Delete)]);
    world.turn(Occasion::First, &succeed);
    world.object["metadata"].as_object_mut().unwrap().remove("annotations");
    world.delete();
    let outcome = |id: &str| if id == "d" { failure() } else { rejection() };
    assert_eq!(world.turn(Occasion::Changed, &outcome), ["d 1 #0", "e 1 #0", "held 0/2", "Held"]);
}
