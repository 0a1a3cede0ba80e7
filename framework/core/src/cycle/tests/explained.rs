//! Explanations: the same as what the next turn does, in words.

use super::{world::*, *};
use crate::{filter::Unmet, storage::tests::own};

fn explained(world: &World) -> Explanation<'_> {
    explain(&world.setup, world.body(), Hold::None, world.now)
}

/// What comes next, and where each handler stands.
fn told(world: &World) -> (String, Vec<String>) {
    let explanation = explained(world);
    let next = match &explanation.next {
        Next::Wait(until) => format!("wait {}", until.duration_since(world.now).as_secs()),
        next => format!("{next:?}"),
    };
    let standings = explanation.handlers.iter().map(|handler| standing(&handler.standing, world.now));
    (format!("{} {next}", explanation.reason), standings.collect())
}

fn standing(standing: &Standing<'_>, now: Timestamp) -> String {
    match standing {
        Standing::Unselected(unmet) => format!("unselected: {unmet}"),
        Standing::Unchanged(unmet) => format!("unchanged: {unmet}"),
        Standing::Due { attempt, limit, record } => {
            let message = record.as_ref().and_then(|record| record.message.as_deref()).unwrap_or("-");
            let limit = limit.as_ref().map(|limit| format!(", {limit}")).unwrap_or_default();
            format!("due #{} {message}{limit}", attempt.before)
        }
        Standing::Waiting { due, record } => {
            format!("waiting {} #{}", due.duration_since(now).as_secs(), record.retries)
        }
        Standing::Failed(record) => format!("failed, rejected: {}", record.rejected),
        Standing::Succeeded(_) => "succeeded".to_owned(),
        Standing::Unknown(failed) => failed.to_string(),
        other => format!("{other:?}"),
    }
}

fn expect(world: &World, next: &str, standings: &[&str]) {
    assert_eq!(told(world), (next.to_owned(), standings.iter().map(|text| (*text).to_owned()).collect()));
}

fn all() -> World {
    World::new([
        handler("c", Reason::Create),
        handler("u", Reason::Update),
        on_field("f", OnChange::Field, "spec.x"),
        labelled("l", Reason::Update),
        handler("d", Reason::Delete),
        handler("r", Reason::Resume),
    ])
}

const UNSELECTED: &str = "unselected: label app is missing";

#[test]
fn a_handler_is_due_or_not_for_this_object_or_for_other_occasions() {
    let mut world = all();
    let due = "due #0 -";
    expect(&world, "create Call", &[due, "Uncalled", due, UNSELECTED, "Uncalled", "Uncalled"]);
    assert_eq!(explained(&world).finalizer, Some(crate::patch::Finalizer::Add(FINALIZER.into())));
    world.turn(Occasion::First, &succeed);
    let (nothing, field) = ("unchanged: nothing has changed", "unchanged: field spec.x hasn't changed");
    expect(&world, "update Nothing(Noop)", &["Uncalled", nothing, field, UNSELECTED, "Uncalled", "Uncalled"]);
    assert_eq!(explained(&world).finalizer, None);
    world.set(2);
    expect(&world, "update Call", &["Uncalled", due, due, UNSELECTED, "Uncalled", "Uncalled"]);
    world.delete();
    expect(&world, "delete Call", &["Uncalled", "Uncalled", due, UNSELECTED, due, "Uncalled"]);
}

#[test]
fn attempts_are_told_until_they_have_succeeded_or_failed() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    world.setup.handlers[1].limits.retries = Some(2);
    world.turn(Occasion::First, &|id| if id == "b" { retry() } else { Outcome::Success });
    expect(&world, "create wait 10", &["succeeded", "waiting 10 #1"]);
    world.wait(10);
    expect(&world, "create Call", &["succeeded", "due #1 not yet"]);
    world.setup.handlers[1].limits.retries = Some(1);
    expect(&world, "create Call", &["succeeded", "due #1 not yet, has exceeded 1 retries."]);
}

#[test]
fn what_waits_for_a_change_is_told_with_its_failures() {
    let mut world = World::handled([handler("u", Reason::Update), handler("d", Reason::Delete)]);
    world.set(2);
    world.turn(Occasion::Changed, &reject);
    expect(&world, "update Nothing(Rejected)", &["failed, rejected: true", "Uncalled"]);
    world.set(3);
    world.turn(Occasion::Changed, &succeed);
    world.delete();
    world.turn(Occasion::Changed, &fail);
    expect(&world, "delete Nothing(Held)", &["Uncalled", "failed, rejected: false"]);
}

#[test]
fn one_at_a_time_the_others_come_later() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    world.setup.one_at_a_time = true;
    expect(&world, "create Call", &["due #0 -", "Later"]);
}

#[test]
fn of_two_handlers_with_one_id_the_other_one_is_called() {
    let world = World::new([handler("a", Reason::Create), on_field("a", OnChange::Field, "spec.x")]);
    expect(&world, "create Call", &["due #0 -", "Shared"]);
}

#[test]
fn sub_handlers_are_told_with_their_parent() {
    let mut world = World::new([handler("p", Reason::Create)]);
    let Plan::Run(cycle) = world.plan(world.situation(Occasion::First)) else { panic!("nothing to run") };
    let sub = SubOutcome { id: "p/a".into(), started: world.now, outcome: Some(retry()) };
    let outcome = Outcome::Children { after: Duration::from_secs(10) };
    world.settle(&cycle, &[HandlerOutcome { ready: cycle.ready[0], outcome, subs: vec![sub] }]);
    expect(&world, "create wait 10", &["waiting 10 #1"]);
    let explanation = explained(&world);
    let [(id, record)] = &explanation.handlers[0].subs[..] else { panic!("one sub-handler") };
    assert_eq!((id.as_str(), record.message.as_deref()), ("p/a", Some("not yet")));
}

#[test]
fn an_object_for_which_there_is_no_handler_loses_its_finalizer_and_is_left_alone() {
    let mut world = World::new([labelled("l", Reason::Delete)]);
    world.object["metadata"]["finalizers"] = json!([FINALIZER]);
    expect(&world, "create Nothing(Stealth)", &[UNSELECTED]);
    assert_eq!(explained(&world).finalizer, Some(crate::patch::Finalizer::Remove(FINALIZER.into())));
    world.delete();
    expect(&world, "delete Nothing(Stealth)", &[UNSELECTED]);
}

#[test]
fn a_filter_that_fails_is_told_and_keeps_the_others_from_being_called() {
    let mut world = World::new([handler("a", Reason::Create), handler("b", Reason::Create)]);
    world.setup.handlers[0].filter.when = Some(crate::filter::When::new(|_| Err("no".into())));
    let failed = "the filter of handler 'a' can't be evaluated: no";
    let (next, standings) = told(&world);
    assert!(next.starts_with("create Unknown"), "{next}");
    assert_eq!(standings, [failed, "Uncalled"]);
}

#[test]
fn a_copy_is_explained_as_a_new_object() {
    let mut world = all();
    world.setup.storage = own();
    world.turn(Occasion::First, &succeed);
    world.object["metadata"]["uid"] = "other".into();
    let explanation = explained(&world);
    assert!(explanation.copied && !explanation.reading.handled);
    assert_eq!((explanation.reason, &explanation.next), (Reason::Create, &Next::Call));
    assert!(matches!(explanation.handlers[3].standing, Standing::Unselected(Unmet::Label("app", _))));
}

#[test]
fn what_is_due_is_what_the_next_turn_calls() {
    let mut world = all();
    let steps: [&dyn Fn(&mut World); 6] = [
        &|_| (),
        &|world| world.set(2),
        &|world| world.object["metadata"]["labels"] = json!({"app": "a"}),
        &|world| world.wait(10),
        &|world| world.set(1),
        &World::delete,
    ];
    for (number, step) in steps.iter().enumerate() {
        step(&mut world);
        let explanation = explained(&world);
        let due = explanation.handlers.iter().zip(&world.setup.handlers);
        let due = due.filter(|(handler, _)| matches!(handler.standing, Standing::Due { .. }));
        let due: Vec<_> = due.map(|(_, handler)| handler.id.clone()).collect();
        let calls = world.turn(Occasion::Again, &|id| if id == "u" { retry() } else { Outcome::Success });
        let called: Vec<_> = calls
            .iter()
            .take(due.len())
            .filter_map(|call| call.split_once(' ').map(|(id, _)| id.to_owned()))
            .collect();
        assert_eq!(called, due, "step {number}: {calls:?}");
    }
}
