//! Log lines about an object, in Kopf's words.

use crate::lights::{House, Light, cluster, flickering, paint};
use korf_testing::Cluster;
use serde_json::json;
use std::time::Duration;

/// The lines after the first ones, without the bodies of objects.
fn lines_since(cluster: &Cluster, before: usize) -> Vec<String> {
    let lines = cluster.lines_about("a").into_iter().skip(before);
    lines.map(|line| line.split_once(": {").map_or(line.clone(), |(words, _)| words.to_owned())).collect()
}

/// The lines that a step in the life of the light `a` causes.
fn lines_of_step(cluster: &mut Cluster, step: impl FnOnce(&mut Cluster)) -> Vec<String> {
    let before = cluster.lines_about("a").len();
    step(cluster);
    lines_since(cluster, before)
}

const NOOP: &str = "Something has changed, but we are not interested (the essence is the same).";
const FINISHED: &str = "Handling cycle is finished, waiting for new changes.";

#[test]
fn the_life_of_an_object_is_logged_in_the_words_of_kopf() {
    let mut cluster = cluster(&House::default());
    let created =
        lines_of_step(&mut cluster, |cluster| drop(cluster.create(&flickering("a", "red", 1)).unwrap()));
    let expected = [
        "Adding the finalizer, thus preventing the actual deletion.",
        "Creation is in progress",
        "Handler 'create' is invoked.",
        "Handler 'create' failed temporarily and will try again in 60 seconds: the fuse is blown",
        "Sleeping for 60 seconds for the delayed handlers.",
    ];
    assert_eq!(created, expected);
    let tried_again = lines_of_step(&mut cluster, |cluster| cluster.advance(Duration::from_secs(60)));
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
    let changed = lines_of_step(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", repaired).unwrap()));
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
    let touched = lines_of_step(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", status).unwrap()));
    assert_eq!(touched, [NOOP, FINISHED]);
    let deleted = lines_of_step(&mut cluster, |cluster| cluster.delete::<Light>("a").unwrap());
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
fn a_change_that_interrupts_a_wait_is_logged_with_the_remaining_time() {
    let mut cluster = cluster(&House::default());
    cluster.create(&flickering("a", "red", 3)).unwrap();
    cluster.advance(Duration::from_millis(19_500));
    let note = json!({"metadata": {"annotations": {"note": "x"}}});
    let noted = lines_of_step(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", note).unwrap()));
    let expected = [
        "Sleeping was interrupted by new changes, 40.5 seconds left.",
        "Sleeping for 40.5 seconds for the delayed handlers.",
    ];
    assert_eq!(noted, expected);
    let changed =
        lines_of_step(&mut cluster, |cluster| drop(cluster.patch::<Light>("a", paint("blue")).unwrap()));
    let interrupted = "Sleeping was interrupted by new changes, 40.5 seconds left.";
    assert_eq!((changed[0].as_str(), changed[1].as_str()), (interrupted, "Creation is in progress"));
    let deleted = lines_of_step(&mut cluster, |cluster| {
        cluster.patch::<Light>("a", json!({"metadata": {"finalizers": null}})).unwrap();
    });
    assert_eq!(deleted[0], "Sleeping was interrupted by new changes, 60 seconds left.");
}

#[test]
fn a_finished_wait_does_not_count_as_interrupted() {
    let mut cluster = cluster(&House::default());
    cluster.create(&flickering("a", "red", 3)).unwrap();
    cluster.advance(Duration::from_secs(240));
    assert!(cluster.logged("a", FINISHED));
    let interrupted = |line: &String| line.starts_with("Sleeping was interrupted");
    assert_eq!(cluster.lines_about("a").iter().filter(|line| interrupted(line)).count(), 0);
}
