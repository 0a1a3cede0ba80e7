use super::{world::*, *};

/// Handles the object once: what is on record of the sub-handlers, and how the cycle ends.
fn settle(
    world: &mut World,
    outcome: Outcome,
    subs: &[(&str, Option<Outcome>)],
) -> (Vec<Option<bool>>, String) {
    let Plan::Run(cycle) = plan(&world.setup, &world.body(), world.sight(Look::Changed), world.now) else {
        panic!("nothing to run")
    };
    let known = subs.iter().map(|(id, _)| cycle.progress().get(id).map(|record| record.success)).collect();
    let subs = subs.iter().map(|(id, outcome)| SubDone {
        id: (*id).into(),
        started: world.now,
        outcome: outcome.clone(),
    });
    let done = Done { ready: cycle.ready[0], outcome, subs: subs.collect() };
    let (patch, end) = cycle.settle(&world.setup, &world.body(), &[done], world.now);
    world.write(&patch);
    (known, described(&end))
}

fn children() -> Outcome {
    Outcome::Children { after: Duration::from_secs(10) }
}

#[test]
fn sub_handlers_are_kept_with_their_parent_until_all_are_done() {
    let mut world = World::new([task("p", Reason::Create)]);
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
fn each_level_knows_the_levels_below_it() {
    let mut world = World::new([task("p", Reason::Create)]);
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
fn a_sub_handler_that_cannot_read_the_object_does_not_stop_the_others() {
    let mut world = World::new([task("p", Reason::Create)]);
    let first = [("p/a", Some(unreadable())), ("p/b", Some(retry()))];
    assert_eq!(settle(&mut world, children(), &first).1, "open 10");
    world.wait(10);
    let second = [("p/a", None), ("p/b", Some(Outcome::Success))];
    assert_eq!(settle(&mut world, Outcome::Success, &second).1, "processed 1/0");
}

#[test]
fn a_deletion_that_failed_with_a_sub_handler_is_tried_again_with_it() {
    let mut world = World::handled([task("p", Reason::Delete)]);
    world.delete();
    let first = [("p/a", Some(Outcome::Success)), ("p/b", Some(gave_up()))];
    assert_eq!(settle(&mut world, gave_up(), &first).1, "held 0/1");
    world.set(2);
    let second = [("p/a", None), ("p/b", Some(Outcome::Success))];
    let expected = (vec![Some(true), None], "processed 1/0".into());
    assert_eq!(settle(&mut world, Outcome::Success, &second), expected);
    assert_eq!(world.finalizers(), &json!([]));
}
