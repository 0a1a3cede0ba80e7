//! What is said of an object, in Kopf's words (kopf-parity §6).

use crate::lights::{House, Light, cluster, flickering, paint};
use korf_testing::Cluster;
use serde_json::json;
use std::time::Duration;

/// What was said since there were so many lines, without the bodies of objects.
fn said_since(cluster: &Cluster, before: usize) -> Vec<String> {
    let lines = cluster.lines_of("a").into_iter().skip(before);
    lines.map(|line| line.split_once(": {").map_or(line.clone(), |(words, _)| words.to_owned())).collect()
}

/// What a step in the life of the light `a` makes the operator say.
fn said(cluster: &mut Cluster, step: impl FnOnce(&mut Cluster)) -> Vec<String> {
    let before = cluster.lines_of("a").len();
    step(cluster);
    said_since(cluster, before)
}

const NOOP: &str = "Something has changed, but we are not interested (the essence is the same).";
const FINISHED: &str = "Handling cycle is finished, waiting for new changes.";

#[test]
fn the_life_of_an_object_is_told_in_the_words_of_kopf() {
    let mut cluster = cluster(&House::default());
    let created = said(&mut cluster, |cluster| drop(cluster.create(&flickering("a", "red", 1)).unwrap()));
    let expected = [
        "Adding the finalizer, thus preventing the actual deletion.",
        "Creation is in progress",
        "Handler 'create' is invoked.",
        "Handler 'create' failed temporarily: the fuse is blown",
        "Sleeping for 60 seconds for the delayed handlers.",
    ];
    assert_eq!(created, expected);
    let tried_again = said(&mut cluster, |cluster| cluster.advance(Duration::from_secs(60)));
    let expected = [
        "Creation is in progress",
        "Handler 'create' is invoked.",
        "Handler 'create' succeeded.",
        "Creation is processed: 1 succeeded; 0 failed.",
        NOOP,
        FINISHED,
    ];
    assert_eq!(tried_again, expected);
    let repaired = json!({"spec": {"failures": 0}});
    let changed = said(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", repaired).unwrap()));
    let expected = [
        "Updating is in progress",
        "Updating diff: (('change', ('spec', 'failures'), 1, 0),)",
        "Handler 'update' is invoked.",
        "Handler 'update' succeeded.",
        "Updating is processed: 1 succeeded; 0 failed.",
        NOOP,
        FINISHED,
    ];
    assert_eq!(changed, expected);
    let status = json!({"status": {"color": "grey"}});
    let touched = said(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", status).unwrap()));
    assert_eq!(touched, [NOOP, FINISHED]);
    let deleted = said(&mut cluster, |cluster| cluster.delete::<Light>("a").unwrap());
    let expected = [
        "Deletion is in progress",
        "Handler 'delete' is invoked.",
        "Handler 'delete' succeeded.",
        "Deletion is processed: 1 succeeded; 0 failed.",
        "Removing the finalizer, thus allowing the actual deletion.",
        "Deleted, really deleted, and we are notified.",
    ];
    assert_eq!(deleted, expected);
}

#[test]
fn a_change_that_ends_a_wait_is_told_with_what_was_left_of_it() {
    let mut cluster = cluster(&House::default());
    cluster.create(&flickering("a", "red", 3)).unwrap();
    cluster.advance(Duration::from_millis(19_500));
    let note = json!({"metadata": {"annotations": {"note": "x"}}});
    let noted = said(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", note).unwrap()));
    let expected = [
        "Sleeping was interrupted by new changes, 40.5 seconds left.",
        "Sleeping for 40.5 seconds for the delayed handlers.",
    ];
    assert_eq!(noted, expected);
    let changed = said(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", paint("blue")).unwrap()));
    let interrupted = "Sleeping was interrupted by new changes, 40.5 seconds left.";
    assert_eq!((changed[0].as_str(), changed[1].as_str()), (interrupted, "Creation is in progress"));
    let deleted = said(&mut cluster, |cluster| {
        cluster.patch::<Light>("a", json!({"metadata": {"finalizers": null}})).unwrap();
    });
    assert_eq!(deleted[0], "Sleeping was interrupted by new changes, 60 seconds left.");
}

#[test]
fn a_wait_that_is_over_was_not_interrupted() {
    let mut cluster = cluster(&House::default());
    cluster.create(&flickering("a", "red", 3)).unwrap();
    cluster.advance(Duration::from_secs(240));
    assert!(cluster.said("a", FINISHED));
    let interrupted = |line: &String| line.starts_with("Sleeping was interrupted");
    assert_eq!(cluster.lines_of("a").iter().filter(|line| interrupted(line)).count(), 0);
}
