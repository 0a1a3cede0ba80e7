//! Cases of the election, one answer at a time.

use super::model::{TIMES, World, shards};
use crate::{
    lease::{Action, Answer, Elector, ElectorConfig, Foreign, LeaseName, Loss, News, Record, Request, Time},
    shard::Shard,
};
use std::time::Duration;

fn at(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

fn config(identity: &str) -> ElectorConfig {
    ElectorConfig {
        operator: "op".into(),
        identity: identity.into(),
        shards: shards(1),
        kinds: "things.korf.dev".into(),
        times: TIMES,
        seed: 1,
    }
}

fn record(holder: Option<&str>, version: u64) -> Record {
    Record {
        name: "op".into(),
        uid: "u".into(),
        version: version.to_string(),
        operator: Some("op".into()),
        holder: holder.map(str::to_owned),
        duration: TIMES.duration,
        transitions: 1,
        shards: Some("1".into()),
        kinds: Some("things.korf.dev".into()),
    }
}

fn sent(actions: &[Action]) -> Vec<&'static str> {
    let name = |action: &Action| match action {
        Action::Send { request: Request::Create(_), .. } => Some("create"),
        Action::Send { request: Request::Patch(..), .. } => Some("patch"),
        Action::Send { request: Request::Read, .. } => Some("read"),
        Action::Send { request: Request::Delete(_), .. } => Some("delete"),
        Action::List(_) => Some("list"),
        _ => None,
    };
    actions.iter().filter_map(name).collect()
}

/// A replica that has sent the request for its Lease at 100 s and has held it since 102 s, with what was done then.
fn leader() -> (Elector, Vec<Action>) {
    let mut elector = Elector::new(config("me"));
    elector.listed(vec![], at(99), at(100));
    assert_eq!(sent(&elector.step(at(100))), ["create"]);
    elector.answered(&LeaseName::Operator, Answer::Lease(record(Some("me"), 1)), at(101));
    assert_eq!(sent(&elector.step(at(101))), ["list"]);
    elector.listed(vec![record(Some("me"), 1)], at(101), at(102));
    let actions = elector.step(at(102));
    (elector, actions)
}

#[test]
fn a_lease_counts_from_when_its_request_was_sent() {
    let (mut elector, actions) = leader();
    assert_eq!(actions[0], Action::Hold(Shard(0), 1, at(110)));
    assert_eq!(sent(&elector.step(at(103))), ["patch"]);
    elector.answered(&LeaseName::Operator, Answer::Lease(record(Some("me"), 2)), at(107));
    assert_eq!(elector.step(at(107))[0], Action::Extend(Shard(0), at(113)));
}

#[test]
fn an_answer_that_comes_when_the_lease_is_over_extends_nothing() {
    let (mut elector, _) = leader();
    assert_eq!(sent(&elector.step(at(109))), ["patch"]);
    elector.answered(&LeaseName::Operator, Answer::Lease(record(Some("me"), 2)), at(111));
    let actions = elector.step(at(111));
    assert_eq!(actions[0], Action::Lose(Shard(0)));
    assert!(actions.contains(&Action::Tell(News::Lost(vec![Shard(0)], Loss::Late))), "{actions:?}");
    assert_eq!(sent(&actions), ["patch"], "its Lease has its name: it is taken again at once");
}

#[test]
fn a_renewal_without_an_answer_is_read_about_when_the_next_one_meets_another_version() {
    let (mut elector, _) = leader();
    assert_eq!(sent(&elector.step(at(103))), ["patch"]);
    elector.answered(&LeaseName::Operator, Answer::Failed, at(105));
    assert_eq!(sent(&elector.step(at(108))), ["patch"]);
    elector.answered(&LeaseName::Operator, Answer::Conflict, at(108));
    assert_eq!(sent(&elector.step(at(108))), ["read"]);
    elector.answered(&LeaseName::Operator, Answer::Lease(record(Some("me"), 2)), at(108));
    let actions = elector.step(at(108));
    assert!(
        matches!(&actions[..], [Action::Send { request: Request::Patch(guard, _), .. }] if guard.version == "2")
    );
    // Somebody else has it.
    elector.answered(&LeaseName::Operator, Answer::Conflict, at(108));
    elector.step(at(108));
    elector.answered(&LeaseName::Operator, Answer::Lease(record(Some("other"), 3)), at(109));
    let actions = elector.step(at(109));
    assert_eq!(actions[0], Action::Lose(Shard(0)));
    assert!(actions.contains(&Action::Tell(News::Lost(vec![Shard(0)], Loss::Taken))), "{actions:?}");
}

#[test]
fn a_lease_that_is_seen_to_be_deleted_is_taken_when_its_holder_cannot_count_on_it_any_longer() {
    let mut elector = Elector::new(config("me"));
    elector.listed(vec![record(Some("other"), 1)], at(99), at(100));
    assert_eq!(sent(&elector.step(at(100))), [""; 0]);
    elector.saw_gone(&record(Some("other"), 2), at(105));
    assert_eq!(sent(&elector.step(at(119))), [""; 0]);
    assert_eq!(elector.next_due(), at(120));
    assert_eq!(sent(&elector.step(at(120))), ["create"]);
}

#[test]
fn a_holder_whose_lease_is_deleted_stops_with_the_answer_to_its_next_renewal_which_is_due_at_once() {
    let (mut elector, _) = leader();
    elector.saw_gone(&record(Some("me"), 2), at(102));
    assert_eq!(sent(&elector.step(at(102))), ["patch"]);
    elector.answered(&LeaseName::Operator, Answer::Gone, at(102));
    let actions = elector.step(at(102));
    assert_eq!(actions[0], Action::Lose(Shard(0)));
    assert!(actions.contains(&Action::Tell(News::Lost(vec![Shard(0)], Loss::Deleted))), "{actions:?}");
}

#[test]
fn what_the_watch_shows_of_an_earlier_version_changes_nothing() {
    let (mut elector, _) = leader();
    elector.saw(record(None, 0), at(102));
    assert_eq!(sent(&elector.step(at(102))), [""; 0]);
}

#[test]
fn a_lease_of_other_kinds_is_left_alone_and_one_with_a_common_kind_is_not() {
    for (kinds, is_foreign) in
        [("tables.korf.dev", true), ("tables.korf.dev,things.korf.dev", false), ("*", false), ("", false)]
    {
        let mut elector = Elector::new(config("me"));
        let found = Record { kinds: Some(kinds.into()), ..record(None, 1) };
        elector.listed(vec![found], at(99), at(100));
        let actions = elector.step(at(100));
        let told = Action::Tell(News::Foreign(LeaseName::Operator, Foreign::Kinds(kinds.into())));
        assert_eq!(actions.contains(&told), is_foreign, "{kinds}");
        assert_eq!((sent(&actions).is_empty(), elector.is_barred()), (is_foreign, is_foreign), "{kinds}");
    }
}

#[test]
fn nobody_stands_by_for_the_holder_of_another_operators_lease() {
    for (operator, stands_by) in [("op", true), ("other", false)] {
        let mut elector = Elector::new(config("me"));
        let found = Record { operator: Some(operator.into()), ..record(Some("it"), 1) };
        elector.listed(vec![found], at(99), at(100));
        let told = Action::Tell(News::StandsBy("it".into()));
        assert_eq!(elector.step(at(100)).contains(&told), stands_by, "{operator}");
    }
}

#[test]
fn what_nobody_needs_is_removed_after_a_while() {
    let mut world = World::new(1);
    world.start(4);
    world.start(4);
    world.run(5);
    world.kill(0);
    world.run(200);
    assert_eq!(world.leases.keys().filter(|name| name.contains("-replica-")).count(), 1);
    let at = world.start(3);
    world.run(5);
    world.kill(0);
    world.run(200);
    assert_eq!(at, 1);
    assert_eq!(world.leases.keys().filter(|name| name.contains("-of-4")).count(), 0);
}
