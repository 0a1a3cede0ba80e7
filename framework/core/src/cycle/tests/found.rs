//! What the simulation has found: `framework/tests/simulation`.

use super::{world::*, *};

fn of(id: &'static str, outcome: fn() -> Outcome) -> impl Fn(&str) -> Outcome {
    move |called| if called == id { outcome() } else { Outcome::Success }
}

/// The handlers that are called next.
fn begun(world: &World, look: Look) -> Cycle {
    match plan(&world.setup, &world.body(), world.sight(look), world.now) {
        Plan::Run(cycle) => *cycle,
        plan => panic!("no handler is called: {plan:?}"),
    }
}

/// All of them come to this.
fn end(world: &mut World, cycle: &Cycle, outcome: Outcome) -> String {
    let done = |ready: &Ready| Done { ready: *ready, outcome: outcome.clone(), subs: Vec::new() };
    let done: Vec<_> = cycle.ready.iter().map(done).collect();
    let (patch, end) = cycle.settle(&world.setup, &world.body(), &done, world.now);
    world.write(&patch);
    described(&end)
}

/// The state that handlers were done with is back when the end is written, or soon after it.
#[test]
fn a_change_reverted_when_a_later_state_was_handled_runs_its_handlers_once_more() {
    let mut world = World::handled([task("u", Reason::Update), task("v", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Look::Changed);
    assert_eq!(end(&mut world, &cycle, Outcome::Success), "processed 2/0");
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 2→2 #0", "v 2→2 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

/// It had waited for its first attempt for so long.
#[test]
fn the_time_of_a_handler_begins_with_its_first_attempt() {
    let limits = Limits { timeout: Some(Duration::from_secs(15)), ..Limits::default() };
    let tasks = ["u", "v"].map(|id| Task { limits: limits.clone(), ..task(id, Reason::Update) });
    let mut world = World::handled(tasks);
    world.set(2);
    world.turn(Look::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Look::Changed);
    end(&mut world, &cycle, Outcome::Success);
    world.wait(100);
    let cycle = begun(&world, Look::First);
    assert!(cycle.ready.iter().all(|ready| ready.attempt.elapsed.is_zero()), "{:?}", cycle.ready);
    end(&mut world, &cycle, retry());
    world.wait(10);
    let cycle = begun(&world, Look::First);
    let elapsed: Vec<_> = cycle.ready.iter().map(|ready| ready.attempt.elapsed.as_secs()).collect();
    assert_eq!(elapsed, [10, 10]);
}

#[test]
fn what_a_creation_has_made_of_a_later_state_is_for_the_handlers_of_updates() {
    let creations = ["c", "d"].map(|id| task(id, Reason::Create));
    let updates = [task("u", Reason::Update), of_label("w", Reason::Update)];
    let mut world = World::new(creations.into_iter().chain(updates));
    world.turn(Look::First, &of("d", retry));
    world.set(2);
    world.wait(10);
    let cycle = begun(&world, Look::Changed);
    world.set(1);
    end(&mut world, &cycle, Outcome::Success);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→1 #0", "processed 1/0", "Noop"]);
}

/// Its record was taken for that of the update, and never became one of the deletion.
#[test]
fn a_deletion_handler_that_fails_as_the_update_did_is_not_called_without_end() {
    let mut world = World::handled(
        ["x", "y"].into_iter().flat_map(|id| [task(id, Reason::Update), task(id, Reason::Delete)]),
    );
    world.set(2);
    world.turn(Look::Changed, &|id| if id == "x" { gave_up() } else { retry() });
    world.delete();
    let trace = world.turn(Look::Changed, &of("x", gave_up));
    assert_eq!(trace, ["x 1→2 #0", "y 1→2 #0", "held 1/1", "Held"]);
}

#[test]
fn only_handlers_of_deletions_keep_an_object_when_they_fail_for_good() {
    let resuming = Task { on: Trigger::Resume { deleted: true }, ..task("r", Reason::Resume) };
    let field = of_field("f", Trigger::Field, "spec.x");
    let mut world = World::handled([resuming, field, task("d", Reason::Delete)]);
    world.initial = true;
    world.set(2);
    world.delete();
    let trace = world.turn(Look::First, &|id| if id == "d" { Outcome::Success } else { gave_up() });
    assert_eq!(trace, ["r 1→2 #0", "f 1→2 #0", "d 1→2 #0", "processed 1/2", "Free"]);
}

#[test]
fn one_that_is_of_resuming_and_of_deletions_keeps_its_object() {
    let resuming = Task { on: Trigger::Resume { deleted: true }, ..task("x", Reason::Resume) };
    let mut world = World::handled([resuming, task("x", Reason::Delete)]);
    world.initial = true;
    world.delete();
    assert_eq!(world.turn(Look::First, &|_| gave_up()), ["x 1→1 #0", "held 0/1", "Held"]);
}

#[test]
fn a_change_while_the_object_is_resumed_is_handled_once() {
    let mut world = World::handled([resuming(), task("s", Reason::Resume), task("u", Reason::Update)]);
    world.initial = true;
    world.turn(Look::First, &of("s", retry));
    world.set(2);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["s 1→2 #1", "u 1→2 #0", "processed 3/0", "Noop"]);
}

#[test]
fn what_could_not_be_read_while_it_is_resumed_waits_for_a_change_too() {
    let mut world = World::handled([resuming(), task("s", Reason::Resume), task("u", Reason::Update)]);
    (world.initial, world.setup.one_at_a_time) = (true, true);
    let unread = of("r", unreadable);
    let trace = world.turn(Look::First, &unread);
    assert_eq!(trace, ["r 1→1 #0", "open 0", "s 1→1 #0", "refused 1/1", "Refused"]);
    assert_eq!(world.turn(Look::Changed, &unread), ["Refused"]);
    world.set(2);
    let trace = world.turn(Look::Changed, &succeed);
    let handled = ["r 1→2 #0", "open 0", "s 1→2 #0", "open 0", "u 1→2 #0", "processed 3/0", "Noop"];
    assert_eq!(trace, handled);
}

/// It was called for nothing: not even its arguments could be made.
#[test]
fn a_handler_that_could_not_read_the_object_is_not_called_for_one_that_it_is_not_for() {
    let mut world = World::new([of_label("c", Reason::Create), task("d", Reason::Create)]);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(world.turn(Look::First, &of("c", unreadable)), ["c 1 #0", "d 1 #0", "refused 1/1", "Refused"]);
    world.object["metadata"]["labels"] = json!({});
    assert_eq!(world.turn(Look::Changed, &of("c", unreadable)), ["processed 1/0", "Skipped", "Noop"]);
}

#[test]
fn a_handler_that_was_called_before_it_could_not_read_the_object_is_called_once_more() {
    let field = |id| of_field(id, Trigger::Field, "spec.x");
    let mut world = World::handled([field("f"), field("g")]);
    world.set(2);
    world.turn(Look::Changed, &|_| retry());
    world.wait(10);
    assert_eq!(world.turn(Look::Again, &of("f", unreadable))[..3], ["f 1→2 #1", "g 1→2 #1", "refused 1/1"]);
    world.set(1);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["f 1→1 #0", "g 1→1 #0", "processed 2/0", "Noop"]);
}

#[test]
fn what_handlers_saw_of_a_change_that_was_refused_and_taken_back_is_not_forgotten_one_at_a_time() {
    let tasks =
        [task("u", Reason::Update), of_field("f", Trigger::Field, "spec.x"), task("v", Reason::Update)];
    let mut world = World::handled(tasks);
    world.setup.one_at_a_time = true;
    world.set(2);
    let trace = world.turn(Look::Changed, &of("v", unreadable));
    assert_eq!(trace[2..], ["f 1→2 #0", "open 0", "v 1→2 #0", "refused 2/1", "Refused"]);
    world.set(1);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace[..4], ["u 1→1 #0", "open 0", "f 1→1 #0", "open 0"]);
}

#[test]
fn what_handlers_saw_is_not_forgotten_where_all_begin_anew() {
    let tasks =
        [task("u", Reason::Update), of_field("f", Trigger::Field, "spec.x"), task("v", Reason::Update)];
    let mut world = World::handled(tasks);
    world.set(2);
    world.turn(Look::Changed, &of("v", retry));
    world.set(3);
    world.wait(10);
    let cycle = begun(&world, Look::Changed);
    world.set(1);
    assert_eq!(end(&mut world, &cycle, unreadable()), "Restart");
    assert_eq!(world.turn(Look::Changed, &succeed)[..2], ["u 1→1 #0", "f 1→1 #0"]);
}

#[test]
fn a_deletion_goes_on_where_the_object_has_come_to_be_one_that_another_handler_is_for() {
    let mut world = World::handled([task("d", Reason::Delete), of_label("e", Reason::Delete)]);
    world.delete();
    let cycle = begun(&world, Look::Changed);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(end(&mut world, &cycle, Outcome::Success), "open 0");
    assert_eq!(world.turn(Look::Changed, &succeed), ["e 1→1 #0", "processed 2/0", "Free"]);
}

#[test]
fn an_object_that_one_deletion_handler_has_failed_for_is_kept_though_another_one_could_never_read_it() {
    let mut world = World::new([task("d", Reason::Delete), task("e", Reason::Delete)]);
    world.turn(Look::First, &succeed);
    world.object["metadata"].as_object_mut().unwrap().remove("annotations");
    world.delete();
    let outcome = |id: &str| if id == "d" { gave_up() } else { unreadable() };
    assert_eq!(world.turn(Look::Changed, &outcome), ["d 1 #0", "e 1 #0", "held 0/2", "Held"]);
}
