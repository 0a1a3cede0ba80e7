//! The number of reads and writes of an object, as counted by the API server.

use crate::fixture::{Cluster, Crd, Fixture, OperatorProcess, eventually};
use korf_sandbox::{Proxy, RequestCounts};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

/// The object's name.
const NAME: &str = "counted";

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The operator's log line when there is nothing left to do for the object.
const IDLE: &str = "/counted] Something has changed, but we are not interested (the essence is the same).";

/// An object on an API server that no other test uses, and its operator.
struct Counted<'s> {
    fixture: &'s Fixture<'s>,
    crd: Crd,
    database: Proxy,
    operator: OperatorProcess,
    /// The number of times that this operator became idle.
    idle: usize,
    /// The operators' writes so far: of the object, and of its status if that is a subresource.
    patches: [u64; 2],
    /// The test's own changes. Each is a `GET` and a `PUT`, neither of which the operator needs.
    own_changes: u64,
}

impl<'s> Counted<'s> {
    async fn new(fixture: &'s Fixture<'s>, crd: Crd) -> Self {
        let database = fixture.database_proxy().await;
        let operator = fixture.operator().database_through(&database).start();
        Self { fixture, crd, database, operator, idle: 0, patches: [0, 0], own_changes: 0 }
    }

    /// Waits until the operator is idle and has made this number of writes since the last call. If it makes
    /// more, later steps fail, because the counts are sums.
    async fn expect_writes(&mut self, when: &str, object: u64, status: u64) {
        self.idle += 1;
        self.operator.wait_for_lines(IDLE, self.idle).await;
        self.expect_patches(when, object, status).await;
    }

    async fn expect_patches(&mut self, when: &str, object: u64, status: u64) {
        let status = if self.crd == Crd::Full { status } else { 0 };
        self.patches = [self.patches[0] + object, self.patches[1] + status];
        let patches = async || {
            let requests = self.request_counts().await;
            ["", "status"].map(|part| count(&requests, "PATCH", part))
        };
        eventually(when, patches, |found| *found == self.patches).await;
    }

    async fn request_counts(&self) -> RequestCounts {
        self.fixture.cluster.control_plane.request_counts("databasetables.kopf.demo").await.unwrap()
    }

    async fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let object = self.changed(change).await;
        self.fixture.tables().replace(NAME, &PostParams::default(), &object).await.unwrap();
    }

    /// Changes the status, as another client would.
    async fn change_status(&mut self) {
        let object = self.changed(|object| object["status"]["columnCount"] = 5.into()).await;
        let (tables, params) = (self.fixture.tables(), PostParams::default());
        let changed = match self.crd {
            Crd::KopfDemo => tables.replace(NAME, &params, &object).await,
            Crd::Full => tables.replace_status(NAME, &params, &object).await,
        };
        changed.unwrap();
    }

    async fn changed(&mut self, change: impl FnOnce(&mut Value)) -> DynamicObject {
        self.own_changes += 1;
        let mut object = self.fixture.table(NAME).await.unwrap();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    async fn add_column(&mut self, name: &str) {
        let add = |spec: &mut Value| spec["columns"].as_array_mut().unwrap().push(json!({ name: "integer" }));
        self.change(|object| add(&mut object["spec"])).await;
    }

    async fn restart(&mut self) {
        self.operator.terminate().await;
        self.operator = self.fixture.operator().database_through(&self.database).start();
        self.idle = 0;
    }

    /// Makes an update that fails until the database is back. Each failure is one write.
    async fn fail_once(&mut self) {
        self.database.cut();
        self.add_column("late").await;
        self.operator.wait_for_line("Handler 'update_handler' failed with an exception").await;
        self.database.restore();
        // One write of the status for the failure, and one for the success.
        self.expect_writes("one failure and the success", 2, 2).await;
        assert_eq!(self.operator.count_lines("Handler 'update_handler' failed"), 1);
    }
}

fn count(requests: &RequestCounts, verb: &str, part: &str) -> u64 {
    requests.get(&(verb.to_owned(), part.to_owned())).copied().unwrap_or_default()
}

async fn check_write_counts(crd: Crd, name: &str) {
    let cluster = Cluster::start(crd).await;
    let fixture = Fixture::on(&cluster, name).await;
    let mut object = Counted::new(&fixture, crd).await;
    let new = json!({
        "apiVersion": "kopf.demo/v1",
        "kind": "DatabaseTable",
        "metadata": { "name": NAME },
        "spec": { "tableName": NAME, "columns": [{ "id": "integer" }] },
    });
    fixture.tables().create(&PostParams::default(), &serde_json::from_value(new).unwrap()).await.unwrap();
    object.expect_writes("created: the finalizer, and the rest", 2, 1).await;
    object.add_column("more").await;
    object.expect_writes("updated", 1, 1).await;

    object.change(|object| object["metadata"]["annotations"][LAST_APPLIED] = "{}".into()).await;
    object.expect_writes("touched by kubectl", 0, 0).await;
    object.change_status().await;
    object.expect_writes("the status changed by another client", 0, 0).await;
    object.restart().await;
    let in_object = u64::from(crd == Crd::KopfDemo);
    object.expect_writes("the operator restarted, and put the status right", in_object, 1).await;
    object.restart().await;
    object.expect_writes("the operator restarted", 0, 0).await;

    object.fail_once().await;
    assert_eq!(fixture.columns("counted").await.len(), 3);
    fixture.delete(NAME).await;
    object.operator.wait_for_line("Deleted, really deleted, and we are notified.").await;
    object.expect_patches("deleted", 1, 0).await;

    let requests = object.request_counts().await;
    let verbs = ["GET", "PUT", "POST", "DELETE", "APPLY"];
    let found = verbs.map(|verb| count(&requests, verb, "") + count(&requests, verb, "status"));
    // The object is read before a retry, and before its table is dropped.
    let reads = 2;
    let expected = [object.own_changes + reads, object.own_changes, 1, 1, 0];
    assert_eq!(found, expected, "{verbs:?}: except for these reads, all requests are the test's own");
}

#[tokio::test]
async fn with_the_kopf_demos_crd_an_object_is_written_no_more_than_necessary() {
    check_write_counts(Crd::KopfDemo, "counts").await;
}

#[tokio::test]
async fn with_the_full_crd_an_object_is_written_no_more_than_necessary() {
    check_write_counts(Crd::Full, "counts-in-full").await;
}
