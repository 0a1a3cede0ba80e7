//! Whole cycles, walked through.

mod deletions;
mod fields;
mod found;
mod resuming;
mod subs;
mod unreadable;
mod world;

use super::*;
use crate::{
    body::Body,
    filter::{Filter, Match},
    patch::{Part, Patch},
    retry::{Backoff, Errors, Limits, Outcome},
    storage::Storage,
    task::{Task, Trigger},
};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;
use world::*;

#[test]
fn a_new_object_gets_its_finalizer_before_its_handlers_and_is_done_with_two_writes() {
    let mut world = World::new([task("c", Reason::Create), task("d", Reason::Delete)]);
    assert_eq!(world.turn(Look::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_finalizer_that_no_handler_needs_goes() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.object["metadata"]["finalizers"] = json!(["other", FINALIZER]);
    world.turn(Look::First, &succeed);
    assert_eq!(world.finalizers(), &json!(["other"]));
}

#[test]
fn an_update_and_a_deletion_are_one_write_each() {
    let tasks = [task("c", Reason::Create), task("u", Reason::Update), task("d", Reason::Delete)];
    let mut world = World::handled(tasks);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 1);
    world.delete();
    assert_eq!(world.turn(Look::Changed, &succeed), ["d 2→2 #0", "processed 1/0", "Free"]);
    assert_eq!((world.writes, world.finalizers()), (2, &json!([])));
}

#[test]
fn handlers_of_one_change_run_in_one_cycle_and_one_write() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    assert_eq!(world.turn(Look::First, &succeed), ["a 1 #0", "b 1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_change_that_nobody_handles_is_only_noted() {
    let mut world = World::handled([task("c", Reason::Create)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &succeed), ["Skipped", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_retry_waits_for_its_time_and_counts_on_over_a_restart() {
    let mut world = World::new([task("c", Reason::Create)]);
    assert_eq!(world.turn(Look::First, &|_| retry()), ["c 1 #0", "open 10", "wait 10"]);
    world.wait(4);
    assert_eq!(world.turn(Look::First, &succeed), ["wait 6"]);
    world.wait(6);
    assert_eq!(world.turn(Look::Again, &succeed), ["c 1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
}

#[test]
fn a_handler_that_is_done_is_not_called_again_for_the_one_that_is_not() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    assert_eq!(world.turn(Look::First, &b_fails), ["a 1 #0", "b 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    assert_eq!(world.turn(Look::First, &succeed), ["b 1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_in_mid_cycle_is_an_update_for_those_that_were_done_before_it() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create), task("u", Reason::Update)];
    let mut world = World::new(tasks);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Look::First, &b_fails);
    world.set(2);
    world.wait(10);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["b 2 #1", "processed 2/0", "u 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn what_kopf_has_ended_is_no_basis_of_the_next_update() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create), task("u", Reason::Update)];
    let mut world = World::new(tasks);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Look::First, &b_fails);
    // Kopf ends it: it forgets all records, notes what was handled, and leaves what it doesn't know.
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    world.set(2);
    assert_eq!(world.turn(Look::First, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn what_kopf_has_ended_is_no_basis_of_an_update_that_kopf_has_begun() {
    let tasks = [task("a", Reason::Create), task("b", Reason::Create)];
    let mut world = World::new(tasks.into_iter().chain(["u", "v"].map(|id| task(id, Reason::Update))));
    world.turn(Look::First, &|id| if id == "b" { retry() } else { Outcome::Success });
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    let done = json!({"started": "2026-11-22T14:53:31Z", "stopped": "2026-11-22T14:53:31Z", "purpose": "update",
                      "retries": 1, "success": true, "failure": false});
    annotations.insert(format!("{PREFIX}/u"), done.to_string().into());
    world.set(2);
    assert_eq!(world.turn(Look::First, &succeed), ["v 1→2 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_in_mid_cycle_leaves_no_progress_and_is_handled_once_more() {
    let mut world = World::handled([task("u", Reason::Update), task("v", Reason::Update)]);
    let v_fails = |id: &str| if id == "v" { retry() } else { Outcome::Success };
    world.set(2);
    world.turn(Look::Changed, &v_fails);
    world.set(1);
    world.wait(10);
    let trace = world.turn(Look::Changed, &succeed);
    assert_eq!(trace, ["v 1→1 #1", "processed 2/0", "u 2→1 #0", "v 2→1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_after_a_failed_attempt_runs_the_handler_once_more() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    world.turn(Look::Changed, &|_| retry());
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 1→1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_failure_for_good_counts_as_handled_and_the_next_change_calls_again() {
    let mut world = World::handled([task("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Look::Changed, &|_| gave_up()), ["u 1→2 #0", "processed 0/1", "Noop"]);
    world.set(3);
    assert_eq!(world.turn(Look::Changed, &succeed), ["u 2→3 #0", "processed 1/0", "Noop"]);
}

#[test]
fn an_ignored_error_counts_as_done() {
    let ignoring =
        Task { limits: Limits { errors: Errors::Ignored, ..Limits::default() }, ..task("c", Reason::Create) };
    let mut world = World::new([ignoring]);
    assert_eq!(world.turn(Look::First, &|_| Outcome::Ignored), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn an_object_that_no_handler_is_for_is_left_as_it_is_and_is_new_when_one_is() {
    let mut world = World::new([of_label("c", Reason::Create), of_label("d", Reason::Delete)]);
    assert_eq!(world.turn(Look::First, &succeed), ["Stealth"]);
    assert_eq!(world.writes, 0);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(world.turn(Look::Changed, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    world.object["metadata"]["labels"] = json!({});
    assert_eq!(world.turn(Look::Changed, &succeed), ["Stealth"]);
    assert_eq!(world.finalizers(), &json!([]));
}

#[test]
fn one_at_a_time_stores_the_progress_after_each_handler() {
    let mut world = World::new([task("a", Reason::Create), task("b", Reason::Create)]);
    world.setup.one_at_a_time = true;
    assert_eq!(world.turn(Look::First, &succeed), ["a 1 #0", "open 0", "b 1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.writes, 2);
}

#[test]
fn of_several_handlers_with_one_id_one_is_called() {
    let task = |on| Task { on, ..task("f", Reason::Create) };
    let mut world = World::new([
        task(Trigger::Create),
        task(Trigger::Resume { deleted: true }),
        task(Trigger::Update),
        task(Trigger::Delete { optional: false, lets_go: false }),
    ]);
    assert_eq!(world.turn(Look::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.initial = true;
    assert_eq!(world.turn(Look::First, &succeed), ["f 1→1 #0", "processed 1/0", "Noop"]);
    (world.initial, world.object["spec"]["x"]) = (true, 2.into());
    assert_eq!(world.turn(Look::First, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
    world.initial = true;
    world.delete();
    assert_eq!(world.turn(Look::First, &succeed), ["f 2→2 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_change_of_the_essence_ends_the_wait_for_the_next_attempt() {
    let mut world = World::new([task("c", Reason::Create)]);
    world.turn(Look::First, &|_| retry());
    world.set(2);
    world.eager = true;
    assert_eq!(world.turn(Look::Changed, &succeed), ["c 2 #1", "processed 1/0", "Noop"]);
}

#[test]
fn handlers_of_raw_events_alone_leave_no_trace_on_the_object() {
    let spy = Task { on: Trigger::Event, ..task("e", Reason::Create) };
    let mut world = World::new([spy]);
    assert_eq!(world.turn(Look::First, &succeed), ["Stealth"]);
    assert_eq!(world.writes, 0);
}
