//! How often an object is read and written, as the API server itself counts it.

use crate::stage::{Cluster, Crd, Operator, Stage, eventually};
use korf_sandbox::{Proxy, Requests};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

/// The object that all is about.
const NAME: &str = "counted";

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What the operator says when there is nothing more to do for an object.
const RESTS: &str = "/counted] Something has changed, but we are not interested (the essence is the same).";

/// An object on an API server that nobody else uses, and its operator.
struct Counted<'s> {
    stage: &'s Stage<'s>,
    crd: Crd,
    database: Proxy,
    operator: Operator,
    /// How often this operator came to rest.
    rests: usize,
    /// The operators' writes so far: of the object, and of its status where that is a subresource.
    patches: [u64; 2],
    /// Our own changes, by `GET` and `PUT`: the operator needs neither.
    ours: u64,
}

impl<'s> Counted<'s> {
    async fn new(stage: &'s Stage<'s>, crd: Crd) -> Self {
        let database = stage.database_proxy().await;
        let operator = stage.operator().database_through(&database).start();
        Self { stage, crd, database, operator, rests: 0, patches: [0, 0], ours: 0 }
    }

    /// Waits until the operator rests, and has written so many times more. No more than that: what is too much in one
    /// step is in the sum of all the next ones.
    async fn is_written(&mut self, when: &str, object: u64, status: u64) {
        self.rests += 1;
        self.operator.wait_for_lines(RESTS, self.rests).await;
        self.patches_grow(when, object, status).await;
    }

    async fn patches_grow(&mut self, when: &str, object: u64, status: u64) {
        let status = if self.crd == Crd::Full { status } else { 0 };
        self.patches = [self.patches[0] + object, self.patches[1] + status];
        let patches = async || {
            let requests = self.requests().await;
            ["", "status"].map(|part| count(&requests, "PATCH", part))
        };
        eventually(when, patches, |found| *found == self.patches).await;
    }

    async fn requests(&self) -> Requests {
        self.stage.cluster.control_plane.requests("databasetables.kopf.demo").await.unwrap()
    }

    async fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let object = self.changed(change).await;
        self.stage.tables().replace(NAME, &PostParams::default(), &object).await.unwrap();
    }

    /// Changes the status, as somebody else who has something to say.
    async fn change_status(&mut self) {
        let object = self.changed(|object| object["status"]["columnCount"] = 5.into()).await;
        let (tables, params) = (self.stage.tables(), PostParams::default());
        let changed = match self.crd {
            Crd::Seed => tables.replace(NAME, &params, &object).await,
            Crd::Full => tables.replace_status(NAME, &params, &object).await,
        };
        changed.unwrap();
    }

    async fn changed(&mut self, change: impl FnOnce(&mut Value)) -> DynamicObject {
        self.ours += 1;
        let mut object = self.stage.table(NAME).await.unwrap();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    async fn add_column(&mut self, name: &str) {
        let add = |spec: &mut Value| spec["columns"].as_array_mut().unwrap().push(json!({ name: "integer" }));
        self.change(|object| add(&mut object["spec"])).await;
    }

    async fn restart(&mut self) {
        self.operator.terminate().await;
        self.operator = self.stage.operator().database_through(&self.database).start();
        self.rests = 0;
    }

    /// An update that fails until the database is back: each failure is one write.
    async fn fails_once(&mut self) {
        self.database.cut();
        self.add_column("late").await;
        self.operator.wait_for_line("Handler 'update_handler' failed with an exception").await;
        self.database.restore();
        // The status says why, and then that all is well.
        self.is_written("one failure and the success", 2, 2).await;
        assert_eq!(self.operator.count("Handler 'update_handler' failed"), 1);
    }
}

fn count(requests: &Requests, verb: &str, part: &str) -> u64 {
    requests.get(&(verb.to_owned(), part.to_owned())).copied().unwrap_or_default()
}

async fn writes_are_as_few_as_promised(crd: Crd, name: &str) {
    let cluster = Cluster::start(crd).await;
    let stage = Stage::on(&cluster, name).await;
    let mut object = Counted::new(&stage, crd).await;
    let new = json!({
        "apiVersion": "kopf.demo/v1",
        "kind": "DatabaseTable",
        "metadata": { "name": NAME },
        "spec": { "tableName": NAME, "columns": [{ "id": "integer" }] },
    });
    stage.tables().create(&PostParams::default(), &serde_json::from_value(new).unwrap()).await.unwrap();
    object.is_written("created: the finalizer, and the rest", 2, 1).await;
    object.add_column("more").await;
    object.is_written("updated", 1, 1).await;

    object.change(|object| object["metadata"]["annotations"][LAST_APPLIED] = "{}".into()).await;
    object.is_written("touched by kubectl", 0, 0).await;
    object.change_status().await;
    object.is_written("the status changed by somebody else", 0, 0).await;
    object.restart().await;
    object.is_written("the operator started again", 0, 0).await;

    object.fails_once().await;
    assert_eq!(stage.columns("counted").await.len(), 3);
    stage.delete(NAME).await;
    object.operator.wait_for_line("Deleted, really deleted, and we are notified.").await;
    object.patches_grow("deleted", 1, 0).await;

    let requests = object.requests().await;
    let verbs = ["GET", "PUT", "POST", "DELETE", "APPLY"];
    let found = verbs.map(|verb| count(&requests, verb, "") + count(&requests, verb, "status"));
    // The object is read before a retry, and before its table is dropped.
    let reads = 2;
    let ours = [object.ours + reads, object.ours, 1, 1, 0];
    assert_eq!(found, ours, "{verbs:?}: but for these reads, all are ours");
}

#[tokio::test]
async fn an_object_of_the_seeds_crd_is_written_as_rarely_as_promised() {
    writes_are_as_few_as_promised(Crd::Seed, "counts").await;
}

#[tokio::test]
async fn an_object_of_the_full_crd_is_written_as_rarely_as_promised() {
    writes_are_as_few_as_promised(Crd::Full, "counts-in-full").await;
}
