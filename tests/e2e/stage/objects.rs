//! The objects of a stage's namespace.

use super::{Stage, cluster, eventually::LIMIT};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::ApiResource,
    runtime::wait::await_condition,
};
use serde_json::Value;
use std::process::Command;

impl Stage<'_> {
    /// `kubectl --namespace <the stage's>`, as the administrator.
    pub fn kubectl(&self) -> Command {
        let mut command = self.cluster.kubectl();
        command.args(["--namespace", &self.namespace]);
        command
    }

    /// `kubectl apply`; returns what it says.
    pub fn apply(&self, manifest: &str) -> String {
        cluster::apply(self.kubectl(), manifest).unwrap()
    }

    /// Installs the definition of a kind, for the whole cluster, and waits until it is served.
    pub fn install(&self, manifest: &str) {
        cluster::install(&|| self.cluster.kubectl(), manifest);
    }

    /// What `kubectl get` prints.
    pub fn kubectl_get(&self, arguments: &[&str]) -> String {
        let output = self.kubectl().arg("get").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The objects of any kind, raw.
    pub fn api(&self, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: api_version.into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        Api::namespaced_with(self.kube.clone(), &self.namespace, &resource)
    }

    pub fn tables(&self) -> Api<DynamicObject> {
        self.api("kopf.demo/v1", "DatabaseTable", "databasetables")
    }

    /// A `DatabaseTable`, raw; `None` where there is none.
    pub async fn table(&self, name: &str) -> Option<Value> {
        self.tables().get_opt(name).await.unwrap().as_ref().map(raw)
    }

    /// Merges a patch into a `DatabaseTable`.
    pub async fn patch(&self, name: &str, patch: Value) -> Value {
        raw(&self.tables().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap())
    }

    /// Deletes a `DatabaseTable`; it goes when its finalizer does.
    pub async fn delete(&self, name: &str) {
        self.tables().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until a `DatabaseTable` is as it should be, and returns it.
    pub async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&self.tables(), name, what, |object| object.is_some_and(&is_so)).await.unwrap()
    }

    pub async fn until_gone(&self, name: &str) {
        until(&self.tables(), name, "it is gone", |object| object.is_none()).await;
    }

    /// Waits until a `DatabaseTable` is ready.
    pub async fn until_ready(&self, name: &str) -> Value {
        self.until(name, "it is ready", |table| condition(table, "Ready") == ["True", "Applied"]).await
    }

    /// Waits until a `DatabaseTable` says that its table has so many columns.
    pub async fn until_column_count(&self, name: &str, count: usize) -> Value {
        self.until(name, &format!("it has {count} columns"), |table| table["status"]["columnCount"] == count)
            .await
    }

    /// What is in the namespace, for people.
    pub(super) fn inventory(&self) -> String {
        let list = |what| {
            let output = self.kubectl().args(["get", what, "--output=yaml"]).output();
            output.map_or_else(|error| error.to_string(), |o| String::from_utf8_lossy(&o.stdout).into_owned())
        };
        ["databasetables", "kopfexamples", "events"].map(list).concat()
    }
}

/// A `DatabaseTable` for a table with columns of the type integer.
pub fn manifest(name: &str, table: &str, columns: &[&str]) -> String {
    let columns: String = columns.iter().map(|column| format!("    - {column}: integer\n")).collect();
    format!(
        "apiVersion: kopf.demo/v1\nkind: DatabaseTable\nmetadata:\n  name: {name}\n\
         spec:\n  tableName: {table}\n  columns:\n{columns}"
    )
}

/// Waits until an object, or its absence, is as it should be.
pub async fn until(
    api: &Api<DynamicObject>,
    name: &str,
    what: &str,
    is_so: impl Fn(Option<&Value>) -> bool,
) -> Option<Value> {
    let is_so = |object: Option<&DynamicObject>| is_so(object.map(raw).as_ref());
    match tokio::time::timeout(LIMIT, await_condition(api.clone(), name, is_so)).await {
        Ok(found) => found.unwrap().as_ref().map(raw),
        Err(_) => {
            let found = api.get_opt(name).await.unwrap().as_ref().map_or(Value::Null, raw);
            panic!("not so after {} s: {what}; {name} is {found:#}", LIMIT.as_secs())
        }
    }
}

/// The status and the reason of a condition of an object; empty where it has none.
pub fn condition<'o>(object: &'o Value, type_: &str) -> [&'o str; 2] {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == type_);
    found
        .map_or(["", ""], |found| ["status", "reason"].map(|field| found[field].as_str().unwrap_or_default()))
}

fn raw(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap()
}
