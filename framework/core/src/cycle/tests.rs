//! Whole cycles, from the first turn to the last.

mod deletions;
mod explained;
mod fields;
mod found;
mod rejected;
mod resuming;
mod subs;
mod world;

use super::*;
use crate::{
    Part, Reason,
    body::Body,
    cause::{Occasion, Resumption, Situation},
    daemon::Hold,
    filter::{Filter, Match},
    handler::{ChangeHandler, OnChange},
    patch::Edits,
    progress::Counts,
    retry::{Backoff, Limits, OnError, Outcome},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use world::*;

#[test]
fn a_new_object_gets_its_finalizer_before_its_handlers_and_takes_two_writes() {
    let mut world = World::new([handler("c", Reason::Create), handler("d", Reason::Delete)]);
    assert_eq!(world.turn(Occasion::First, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_finalizer_that_no_handler_needs_is_removed() {
    let mut world = World::new([handler("c", Reason::Create)]);
    world.object["metadata"]["finalizers"] = json!(["other", FINALIZER]);
    world.turn(Occasion::First, &succeed);
    assert_eq!(world.finalizers(), &json!(["other"]));
}

#[test]
fn an_update_and_a_deletion_take_one_write_each() {
    let handlers = [handler("c", Reason::Create), handler("u", Reason::Update), handler("d", Reason::Delete)];
    let mut world = World::handled(handlers);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 1);
    world.delete();
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["d 2→2 #0", "processed 1/0", "Free"]);
    assert_eq!((world.writes, world.finalizers()), (2, &json!([])));
}

#[test]
fn all_handlers_of_a_change_run_in_one_cycle_and_take_one_write() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    assert_eq!(world.turn(Occasion::First, &succeed), ["a 1 #0", "b 1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_change_without_handlers_only_updates_the_diff_base() {
    let mut world = World::handled([handler("c", Reason::Create)]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Skipped", "Noop"]);
    assert_eq!(world.writes, 1);
}

#[test]
fn a_retry_is_not_early_and_its_count_survives_a_restart() {
    let mut world = World::new([handler("c", Reason::Create)]);
    assert_eq!(world.turn(Occasion::First, &postpone), ["c 1 #0", "open 10", "wait 10"]);
    world.wait(4);
    assert_eq!(world.turn(Occasion::First, &succeed), ["wait 6"]);
    world.wait(6);
    assert_eq!(world.turn(Occasion::Again, &succeed), ["c 1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.writes, 2);
}

#[test]
fn a_finished_handler_is_not_called_again_when_another_one_is_retried() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    assert_eq!(world.turn(Occasion::First, &b_fails), ["a 1 #0", "b 1 #0", "open 10", "wait 10"]);
    world.wait(10);
    assert_eq!(world.turn(Occasion::First, &succeed), ["b 1 #1", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_in_mid_cycle_is_an_update_for_the_handlers_that_finished_before_it() {
    let handlers = [handler("a", Reason::Create), handler("b", Reason::Create), handler("u", Reason::Update)];
    let mut world = World::new(handlers);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Occasion::First, &b_fails);
    world.set(2);
    world.wait(10);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["b 2 #1", "processed 2/0", "u 1→2 #0", "processed 1/0", "Noop"]);
}

#[test]
fn the_pending_diff_base_of_a_cycle_that_kopf_ended_is_ignored_by_the_next_update() {
    let handlers = [handler("a", Reason::Create), handler("b", Reason::Create), handler("u", Reason::Update)];
    let mut world = World::new(handlers);
    let b_fails = |id: &str| if id == "b" { retry() } else { Outcome::Success };
    world.turn(Occasion::First, &b_fails);
    // Kopf ends the cycle: it removes all records, stores the diff-base, and leaves what it doesn't know.
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    world.set(2);
    assert_eq!(world.turn(Occasion::First, &succeed), ["u 1→2 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn the_pending_diff_base_of_a_cycle_that_kopf_ended_is_ignored_by_an_update_that_kopf_began() {
    let handlers = [handler("a", Reason::Create), handler("b", Reason::Create)];
    let mut world = World::new(handlers.into_iter().chain(["u", "v"].map(|id| handler(id, Reason::Update))));
    world.turn(Occasion::First, &|id| if id == "b" { retry() } else { Outcome::Success });
    let annotations = world.object["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| key == &format!("{PREFIX}/korf-basis"));
    let handled = json!({"spec": {"x": 1}}).to_string();
    annotations.insert(format!("{PREFIX}/last-handled-configuration"), handled.into());
    let done = json!({"started": "2026-11-22T14:53:31Z", "stopped": "2026-11-22T14:53:31Z", "purpose": "update",
                      "retries": 1, "success": true, "failure": false});
    annotations.insert(format!("{PREFIX}/u"), done.to_string().into());
    world.set(2);
    assert_eq!(world.turn(Occasion::First, &succeed), ["v 1→2 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_in_mid_cycle_leaves_no_progress_and_is_handled_once_more() {
    let mut world = World::handled([handler("u", Reason::Update), handler("v", Reason::Update)]);
    let v_fails = |id: &str| if id == "v" { retry() } else { Outcome::Success };
    world.set(2);
    world.turn(Occasion::Changed, &v_fails);
    world.set(1);
    world.wait(10);
    let trace = world.turn(Occasion::Changed, &succeed);
    assert_eq!(trace, ["v 1→1 #1", "processed 2/0", "u 2→1 #0", "v 2→1 #0", "processed 2/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_change_reverted_after_a_failed_attempt_runs_the_handler_once_more() {
    let mut world = World::handled([handler("u", Reason::Update)]);
    world.set(2);
    world.turn(Occasion::Changed, &postpone);
    world.set(1);
    world.wait(10);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 1→1 #1", "processed 1/0", "Noop"]);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_permanent_failure_counts_as_handled_and_the_next_change_calls_the_handler_again() {
    let mut world = World::handled([handler("u", Reason::Update)]);
    world.set(2);
    assert_eq!(world.turn(Occasion::Changed, &fail), ["u 1→2 #0", "processed 0/1", "Noop"]);
    world.set(3);
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["u 2→3 #0", "processed 1/0", "Noop"]);
}

#[test]
fn an_ignored_error_counts_as_success() {
    let ignoring = ChangeHandler {
        limits: Limits { errors: OnError::Ignored, ..Limits::default() },
        ..handler("c", Reason::Create)
    };
    let mut world = World::new([ignoring]);
    assert_eq!(world.turn(Occasion::First, &|_| Outcome::Ignored), ["c 1 #0", "processed 1/0", "Noop"]);
}

#[test]
fn an_object_without_matching_handlers_is_untouched_and_is_new_once_one_matches() {
    let mut world = World::new([labelled("c", Reason::Create), labelled("d", Reason::Delete)]);
    assert_eq!(world.turn(Occasion::First, &succeed), ["Stealth"]);
    assert_eq!(world.writes, 0);
    world.object["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["c 1 #0", "processed 1/0", "Noop"]);
    assert_eq!(world.finalizers(), &json!([FINALIZER]));
    world.object["metadata"]["labels"] = json!({});
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["Stealth"]);
    assert_eq!(world.finalizers(), &json!([]));
}

#[test]
fn one_at_a_time_stores_the_progress_after_each_handler() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    world.setup.one_at_a_time = true;
    assert_eq!(
        world.turn(Occasion::First, &succeed),
        ["a 1 #0", "open 0", "b 1 #0", "processed 2/0", "Noop"]
    );
    assert_eq!(world.writes, 2);
}

#[test]
fn only_one_of_several_handlers_with_the_same_id_is_called() {
    let f = |on| ChangeHandler { on, ..handler("f", Reason::Create) };
    let mut world = World::new([
        f(OnChange::Create),
        f(OnChange::Resume { deleted: true, resync: None }),
        f(OnChange::Update),
        f(OnChange::Delete { optional: false, release_on_failure: false }),
    ]);
    assert_eq!(world.turn(Occasion::First, &succeed), ["f 1 #0", "processed 1/0", "Noop"]);
    world.resumption = Some(Resumption::Start);
    assert_eq!(world.turn(Occasion::First, &succeed), ["f 1→1 #0", "processed 1/0", "Noop"]);
    (world.resumption, world.object["spec"]["x"]) = (Some(Resumption::Start), 2.into());
    assert_eq!(world.turn(Occasion::First, &succeed), ["f 1→2 #0", "processed 1/0", "Noop"]);
    world.resumption = Some(Resumption::Start);
    world.delete();
    assert_eq!(world.turn(Occasion::First, &succeed), ["f 2→2 #0", "processed 1/0", "Free"]);
}

#[test]
fn a_change_of_the_essence_triggers_a_retry_at_once() {
    let mut world = World::new([handler("c", Reason::Create)]);
    world.turn(Occasion::First, &postpone);
    world.set(2);
    world.eager = true;
    assert_eq!(world.turn(Occasion::Changed, &succeed), ["c 2 #1", "processed 1/0", "Noop"]);
}
