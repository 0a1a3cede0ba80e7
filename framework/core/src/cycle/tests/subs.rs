//! Sub-handlers.

use super::{world::*, *};

/// Handles the object once. Returns the records of the sub-handlers before that, and the state after it.
fn settle(
    world: &mut World,
    outcome: Outcome,
    subs: &[(&str, Option<Outcome>)],
) -> (Vec<Option<bool>>, String) {
    let Plan::Run(cycle) = world.plan(world.situation(Occasion::Changed)) else { panic!("nothing to run") };
    let known = subs.iter().map(|(id, _)| cycle.progress().get(id).map(|record| record.success)).collect();
    let subs = subs.iter().map(|(id, outcome)| SubOutcome {
        id: (*id).into(),
        started: world.now,
        outcome: outcome.clone(),
    });
    let done = HandlerOutcome { ready: cycle.ready[0], outcome, subs: subs.collect() };
    (known, described(&world.settle(&cycle, &[done])))
}

fn children() -> Outcome {
    Outcome::Children { after: Duration::from_secs(10) }
}

#[test]
fn the_records_of_sub_handlers_are_stored_until_all_are_finished() {
    let mut world = World::new([handler("p", Reason::Create)]);
    let first = [("p/a", Some(Outcome::Success)), ("p/b", Some(retry()))];
    assert_eq!(settle(&mut world, children(), &first), (vec![None, None], "open 10".into()));
    assert_eq!(world.annotations(), ["korf-basis", "p", "p.a", "p.b"]);
    world.wait(10);
    let second = [("p/a", None), ("p/b", Some(Outcome::Success))];
    let expected = (vec![Some(true), Some(false)], "processed 1/0".into());
    assert_eq!(settle(&mut world, Outcome::Success, &second), expected);
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn each_record_names_the_sub_handlers_of_all_levels_below() {
    let mut world = World::new([handler("p", Reason::Create)]);
    let subs = [("p/a/x", Some(retry())), ("p/a", Some(children())), ("p/ab", Some(Outcome::Success))];
    settle(&mut world, children(), &subs);
    let subrefs = |key: &str| {
        let record: Value = serde_json::from_str(
            world.object["metadata"]["annotations"][format!("{PREFIX}/{key}")].as_str().unwrap(),
        )
        .unwrap();
        record["subrefs"].clone()
    };
    assert_eq!(subrefs("p"), json!(["p/a", "p/a/x", "p/ab"]));
    assert_eq!(subrefs("p.a"), json!(["p/a/x"]));
    assert_eq!(subrefs("p.a.x"), Value::Null);
    world.wait(10);
    let subs = [("p/a/x", Some(Outcome::Success)), ("p/a", Some(Outcome::Success)), ("p/ab", None)];
    let known = vec![Some(false), Some(false), Some(true)];
    assert_eq!(settle(&mut world, Outcome::Success, &subs), (known, "processed 1/0".into()));
    assert_eq!(world.annotations(), ["last-handled-configuration"]);
}

#[test]
fn a_sub_handler_that_rejects_the_object_does_not_stop_the_others() {
    let mut world = World::new([handler("p", Reason::Create)]);
    let first = [("p/a", Some(rejection())), ("p/b", Some(retry()))];
    assert_eq!(settle(&mut world, children(), &first).1, "open 10");
    world.wait(10);
    let second = [("p/a", None), ("p/b", Some(Outcome::Success))];
    assert_eq!(settle(&mut world, Outcome::Success, &second).1, "processed 1/0");
}

#[test]
fn a_deletion_that_failed_with_a_sub_handler_retries_both() {
    let mut world = World::handled([handler("p", Reason::Delete)]);
    world.delete();
    let first = [("p/a", Some(Outcome::Success)), ("p/b", Some(failure()))];
    assert_eq!(settle(&mut world, failure(), &first).1, "held 0/1");
    world.set(2);
    let second = [("p/a", None), ("p/b", Some(Outcome::Success))];
    let expected = (vec![Some(true), None], "processed 1/0".into());
    assert_eq!(settle(&mut world, Outcome::Success, &second), expected);
    assert_eq!(world.finalizers(), &json!([]));
}
