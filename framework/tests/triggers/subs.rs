//! Sub-handlers.

use crate::things::{Seen, Thing, ThingSpec, cluster};
use korf::{
    Attempt, Error, Name, Result, Spec, State, SubHandlers, handler::Limits, on_create, on_delete, on_update,
};
use korf_testing::Cluster;
use serde_json::{Value, json};
use std::time::Duration;

fn parts<const N: usize>(name: &str, parts: [&str; N]) -> Thing {
    Thing::new(name, ThingSpec { size: None, parts: parts.map(str::to_owned).into() })
}

/// One sub-handler for each part; `slow` ones succeed at the second attempt, `bad` ones never.
async fn assemble(seen: State<Seen>, spec: Spec<ThingSpec>, subs: SubHandlers<Thing>) -> Result<Value> {
    seen.note("parent");
    for part in spec.parts.clone() {
        let limits = Limits { retries: Some(3), ..Limits::default() };
        subs.add_with(part.clone(), limits, async move |seen: State<Seen>, attempt: Attempt| {
            seen.note(format!("{part} #{}", attempt.0));
            match part.as_str() {
                "slow" if attempt.0 == 0 => Err(Error::temporary("not yet", Duration::from_secs(10))),
                "bad" => Err(Error::permanent("never")),
                _ => Ok(Value::from(format!("made {part}"))),
            }
        });
    }
    subs.execute().await?;
    seen.note("done");
    Ok(json!({"parts": spec.parts.len()}))
}

#[test]
fn the_parent_is_called_until_all_sub_handlers_finish_and_finished_ones_are_not_called_again() {
    let (mut cluster, seen) = cluster([on_create::<Thing>("make").run(assemble)]);
    cluster.create(&parts("a", ["x", "slow", "bad"])).unwrap();
    assert_eq!(seen.take(), ["parent", "x #0", "slow #0", "bad #0"]);
    assert!(cluster.logged("a", "Handler 'make' has unfinished sub-handlers. Will retry soon."));
    cluster.kill();
    cluster.start().unwrap();
    cluster.advance(Duration::from_secs(11));
    assert_eq!(seen.take(), ["parent", "slow #1", "done"]);
    assert!(cluster.logged("a", "Creation is processed: 1 succeeded; 0 failed."));
    let thing = cluster.get::<Thing>("a").unwrap();
    let results = Value::from(thing.status.unwrap().results);
    assert_eq!(results, json!({"make": {"parts": 3}, "make/x": "made x", "make/slow": "made slow"}));
    let left: Vec<_> = thing.metadata.annotations.unwrap().into_keys().collect();
    assert!(left.iter().all(|key| !key.contains("/make")), "{left:?}");
}

#[test]
fn a_change_triggers_retries_of_sub_handlers_at_once_too() {
    let (mut cluster, seen) = cluster([on_create::<Thing>("make").run(assemble)]);
    cluster.create(&parts("a", ["slow"])).unwrap();
    seen.take();
    cluster.patch::<Thing>("a", json!({"spec": {"size": 7}})).unwrap();
    assert_eq!(seen.take(), ["parent", "slow #1", "done"]);
}

#[test]
fn unexecuted_sub_handlers_are_executed_when_the_parent_returns() {
    async fn forgetful(subs: SubHandlers<Thing>) {
        subs.add("a", async |seen: State<Seen>, subs: SubHandlers<Thing>, name: Name| {
            seen.note(format!("a of {name}"));
            subs.add("b", async |seen: State<Seen>, attempt: Attempt| -> Result {
                seen.note(format!("b #{}", attempt.0));
                if attempt.0 > 0 { Ok(()) } else { Err(std::fmt::Error.into()) }
            });
        });
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("f").run(forgetful)]);
    cluster.create(&parts("t", [])).unwrap();
    assert_eq!(seen.take(), ["a of t", "b #0"]);
    cluster.advance(Duration::from_secs(2));
    assert_eq!(seen.take(), ["a of t", "b #1"]);
    assert!(cluster.logged("t", "Handler 'f/a/b' succeeded."));
}

#[test]
fn a_deletion_fails_with_its_sub_handler_and_keeps_the_object() {
    let (mut cluster, seen) =
        cluster([on_delete::<Thing>("drop").run(assemble), on_update::<Thing>("u").run(async || {})]);
    cluster.create(&parts("a", ["x", "bad"])).unwrap();
    cluster.delete::<Thing>("a").unwrap();
    assert_eq!(seen.take(), ["parent", "x #0", "bad #0"]);
    assert!(cluster.exists::<Thing>("a"));
    cluster.patch::<Thing>("a", json!({"spec": {"parts": ["x", "y"]}})).unwrap();
    assert_eq!(seen.take(), ["parent", "y #0", "done"]);
    assert!(!cluster.exists::<Thing>("a"));
}

/// A sub-handler with sub-handlers of its own, one of which succeeds at the second attempt.
async fn nest(seen: State<Seen>, subs: SubHandlers<Thing>) -> Result {
    seen.note("p");
    subs.add("a", async |seen: State<Seen>, subs: SubHandlers<Thing>| -> Result {
        seen.note("p/a");
        for (id, fails) in [("x", true), ("y", false)] {
            subs.add(id, async move |seen: State<Seen>, attempt: Attempt| -> Result {
                seen.note(format!("p/a/{id} #{}", attempt.0));
                match attempt.0 {
                    0 if fails => Err(Error::temporary("not yet", Duration::from_secs(10))),
                    _ => Ok(()),
                }
            });
        }
        subs.execute().await?;
        seen.note("p/a is done");
        Ok(())
    });
    subs.execute().await?;
    seen.note("p is done");
    Ok(())
}

fn records_on(cluster: &Cluster, name: &str) -> Vec<String> {
    let annotations = cluster.get::<Thing>(name).unwrap().metadata.annotations.unwrap_or_default();
    annotations.into_keys().filter_map(|key| Some(key.split_once('/')?.1.to_owned())).collect()
}

#[test]
fn nested_sub_handlers_continue_after_a_restart() {
    let (mut cluster, seen) = cluster([on_create::<Thing>("p").run(nest), on_delete::<Thing>("p").run(nest)]);
    let goes_on = |cluster: &mut Cluster| {
        assert_eq!(seen.take(), ["p", "p/a", "p/a/x #0", "p/a/y #0"]);
        let kept = records_on(cluster, "t");
        assert!(["p", "p.a", "p.a.x", "p.a.y"].iter().all(|id| kept.contains(&(*id).to_owned())), "{kept:?}");
        cluster.restart().unwrap();
        cluster.advance(Duration::from_secs(9));
        assert_eq!(seen.take(), [""; 0]);
        cluster.advance(Duration::from_secs(2));
        assert_eq!(seen.take(), ["p", "p/a", "p/a/x #1", "p/a is done", "p is done"]);
    };
    cluster.create(&parts("t", [])).unwrap();
    goes_on(&mut cluster);
    let kept = records_on(&cluster, "t");
    assert!(kept.iter().all(|key| key != "p" && !key.starts_with("p.")), "{kept:?}");
    cluster.delete::<Thing>("t").unwrap();
    assert!(cluster.exists::<Thing>("t"));
    goes_on(&mut cluster);
    assert!(!cluster.exists::<Thing>("t"));
    assert!(cluster.logged("t", "Deletion is processed: 1 succeeded; 0 failed."));
}
