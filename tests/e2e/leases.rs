//! Leases on the real API server: replicas that stop, die, are suspended, or may not have any.

use crate::{
    fixture::{Cluster, Fixture, OperatorProcess, eventually, eventually_within, manifest},
    health::Health,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use std::time::Duration;

/// The operator's Lease.
const NAME: &str = "database-table-operator";

/// Leases that are over soon, and which a busy machine renews in time.
const SHORT: [&str; 3] = ["leases.duration=6s", "leases.renew_deadline=4s", "leases.retry_period=1s"];

fn replica(fixture: &Fixture<'_>, name: &str, options: &[&str]) -> OperatorProcess {
    let command = fixture.operator().by_administrator().env("HOSTNAME", name).arg("--leader-elect");
    let command = command.arg("--lease-namespace").arg(&fixture.namespace);
    options.iter().fold(command, |command, option| command.arg("--set").arg(option)).start()
}

async fn lease(fixture: &Fixture<'_>, name: &str) -> Option<Lease> {
    let client = fixture.cluster.control_plane.client().await.unwrap();
    Api::<Lease>::namespaced(client, &fixture.namespace).get_opt(name).await.unwrap()
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let fixture = Fixture::new("lease-hand-over").await;
    let mut first = replica(&fixture, "first", &[]);
    first.wait_for_line("Leads from now on (epoch 1).").await;
    let second = replica(&fixture, "second", &[]);
    second.wait_for_line("Stands by: first_").await;
    fixture.apply(&manifest("one", "one", &["id"]));
    fixture.until_ready("one").await;
    assert_eq!(second.count_lines("Handler '"), 0);
    assert_eq!(first.terminate().await.code(), Some(0));
    // Without that, its Lease would be over after 15 seconds.
    let led = async || second.count_lines("Leads from now on (epoch 2).");
    eventually_within(Duration::from_secs(10), "the other replica leads", led, |lines| *lines == 1).await;
    fixture.apply(&manifest("two", "two", &["id"]));
    fixture.until_ready("two").await;
    let lease = lease(&fixture, NAME).await.unwrap();
    let (labels, annotations) = (lease.metadata.labels.unwrap(), lease.metadata.annotations.unwrap());
    assert_eq!(labels["korf.dev/operator"], NAME);
    assert_eq!(
        (&*annotations["korf.dev/shards"], &*annotations["korf.dev/kinds"]),
        ("1", "databasetables.kopf.demo")
    );
    let spec = lease.spec.unwrap();
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(2)));
    assert!(spec.holder_identity.unwrap().starts_with("second_"));
}

#[tokio::test]
async fn the_objects_of_a_dead_leader_are_handled_when_its_lease_is_over() {
    let fixture = Fixture::new("lease-take-over").await;
    let mut first = replica(&fixture, "first", &SHORT);
    first.wait_for_line("Leads from now on (epoch 1).").await;
    let second = replica(&fixture, "second", &SHORT);
    second.wait_for_line("Stands by: first_").await;
    let lock = fixture.lock_name("public.one").await;
    fixture.apply(&manifest("one", "one", &["id"]));
    lock.until_blocking().await;
    assert_eq!(second.count_lines("Leads from now on"), 0, "the first one has its Lease until its end");
    first.kill_9();
    lock.release().await;
    second.wait_for_line("Leads from now on (epoch 2).").await;
    fixture.until_ready("one").await;
}

#[tokio::test]
async fn a_suspended_leader_writes_nothing_when_it_goes_on() {
    let fixture = Fixture::new("lease-suspended").await;
    let first = replica(&fixture, "first", &SHORT);
    first.wait_for_line("Leads from now on (epoch 1).").await;
    let mut second = replica(&fixture, "second", &SHORT);
    second.wait_for_line("Stands by: first_").await;
    fixture.apply(&manifest("one", "one", &["id"]));
    fixture.until_ready("one").await;
    first.signal("STOP");
    second.wait_for_line("Leads from now on (epoch 2).").await;
    fixture.apply(&manifest("one", "one", &["id", "more"]));
    let handled = fixture.until_column_count("one", 2).await;
    let before = first.count_lines("Handler '");
    first.signal("CONT");
    first.wait_for_line("No longer leads: no renewal was answered for 4 seconds.").await;
    first.wait_for_line("Stands by: second_").await;
    assert_eq!(first.count_lines("Handler '"), before, "its watch shows the change, too");
    assert_eq!(fixture.table("one").await.unwrap(), handled);
    // It is as good as any other.
    assert_eq!(second.terminate().await.code(), Some(0));
    first.wait_for_line("Leads from now on (epoch 3).").await;
    fixture.apply(&manifest("two", "two", &["id"]));
    fixture.until_ready("two").await;
}

/// The other one looks at the tables, and this one would go on with that until its end.
#[tokio::test]
async fn a_replica_that_has_lost_its_lease_looks_at_no_tables() {
    let fixture = Fixture::on(Cluster::with_full_crd().await, "lease-drift").await;
    let replica = |name: &str| {
        let command = fixture.operator().by_administrator().env("HOSTNAME", name).arg("--leader-elect");
        let command = command.arg("--lease-namespace").arg(&fixture.namespace).arg("--drift-interval=1");
        let command = command.arg("--health-addr=127.0.0.1:0").arg("--metrics-addr=127.0.0.1:0");
        SHORT.iter().fold(command, |command, option| command.arg("--set").arg(option)).start()
    };
    let watches = async |replica: &Health, tables: u32| {
        let line = format!("table_operator_watched_tables {tables}");
        let watched = |text: &String| text.lines().any(|known| known == line);
        eventually(&line, async || replica.ask("/metrics").1, watched).await;
    };
    let first = replica("first");
    first.wait_for_line("Leads from now on (epoch 1).").await;
    let mut second = replica("second");
    second.wait_for_line("Stands by: first_").await;
    let (looks, stands_by) = (Health::of(&first).await, Health::of(&second).await);
    fixture.apply(&manifest("one", "one", &["id", "x"]));
    fixture.until_ready("one").await;
    watches(&looks, 1).await;
    watches(&stands_by, 0).await;
    first.signal("STOP");
    second.wait_for_line("Leads from now on (epoch 2).").await;
    watches(&stands_by, 1).await;
    first.signal("CONT");
    first.wait_for_line("No longer leads: no renewal was answered for 4 seconds.").await;
    watches(&looks, 0).await;
    fixture.sql("ALTER TABLE one DROP x").await;
    fixture.until_columns("one", 2).await;
    // When it leads again, it looks again.
    assert_eq!(second.terminate().await.code(), Some(0));
    first.wait_for_line("Leads from now on (epoch 3).").await;
    watches(&looks, 1).await;
    fixture.sql("ALTER TABLE one DROP x").await;
    fixture.until_columns("one", 2).await;
}

#[tokio::test]
async fn a_lease_that_is_deleted_stops_its_holder_and_is_taken_again() {
    let fixture = Fixture::new("lease-deleted").await;
    let first = replica(&fixture, "first", &SHORT);
    first.wait_for_line("Leads from now on (epoch 1).").await;
    let status = fixture.kubectl().args(["delete", "lease", NAME]).status().unwrap();
    assert!(status.success());
    first.wait_for_line("No longer leads: the Lease was deleted.").await;
    first.wait_for_line("Leads from now on (epoch 2).").await;
    let transitions = async || lease(&fixture, NAME).await?.spec?.lease_transitions;
    eventually("the Lease is there", transitions, |transitions| *transitions == Some(2)).await;
}
