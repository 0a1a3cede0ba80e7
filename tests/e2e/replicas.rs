//! Replicas under a storm: killed, stopped and terminated while the API server restarts, each with its log, and all judged
//! afterwards.

mod ledger;
mod storm;

use crate::fixture::{Cluster, Crd};
use std::time::Duration;
use storm::{Plan, storm};

// What the watch of Leases shows is noted at once, also while the test waits for kubectl.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_and_stopped_never_handle_an_object_twice_at_once_and_forget_none() {
    let cluster = Cluster::start(Crd::Full).await;
    let plan = Plan { replicas: 3, shards: 4, objects: 24, length: Duration::from_secs(20), ..Plan::short() };
    let figures = storm(&cluster, &plan).await;
    assert!(figures.runs > 0 && figures.writes > 0, "{figures:?}");
    assert!(figures.take_overs.iter().all(|(leased, _)| *leased <= plan.most_take_over()), "{figures:?}");
}

/// All numbers of replicas and shards, with the times that are usual: `-- --ignored --nocapture two_three_and_five`.
// What the watch of Leases shows is noted at once, also while the test waits for kubectl.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour"]
async fn two_three_and_five_replicas_with_one_four_and_sixteen_shards() {
    println!(
        "| replicas | shards | calls | writes | take-over p50 | max | first call p50 | max | moved on joining |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for replicas in [2, 3, 5] {
        for shards in [1, 4, 16] {
            let cluster = Cluster::start(Crd::Full).await;
            let plan = Plan { replicas, shards, ..Plan::long() };
            println!("| {replicas} | {shards} | {} |", storm(&cluster, &plan).await);
        }
    }
}
