//! The `DatabaseTable` object, as the checks read it from the API server.

use crate::Result;
use kube::{
    Api, Client, ResourceExt,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::wait::{await_condition, conditions::is_deleted},
};
use serde_json::Value;
use std::time::Duration;

/// Limit for something that takes the operator a moment.
const LIMIT: Duration = Duration::from_secs(30);

/// The object of the walkthrough.
pub struct TableObject {
    api: Api<DynamicObject>,
    name: &'static str,
}

impl TableObject {
    pub fn new(client: Client, name: &'static str) -> Self {
        let kind = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("kopf.demo", "v1", "DatabaseTable"),
            "databasetables",
        );
        Self { api: Api::namespaced_with(client, "default", &kind), name }
    }

    /// A one-line description of its status.
    pub async fn status(&self) -> Result<String> {
        Ok(described(self.api.get_opt(self.name).await?.as_ref()))
    }

    /// Waits until its status is as expected, and returns the status at the end.
    pub async fn wait_for_status(&self, expected: &str) -> Result<String> {
        let as_expected = |object: Option<&DynamicObject>| described(object) == expected;
        match tokio::time::timeout(LIMIT, await_condition(self.api.clone(), self.name, as_expected)).await {
            Ok(Ok(_)) => Ok(expected.to_owned()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => self.status().await,
        }
    }

    /// Waits until it is gone. Returns `gone`, or why it isn't.
    pub async fn wait_until_gone(&self) -> Result<String> {
        let Some(object) = self.api.get_opt(self.name).await? else { return Ok("gone".to_owned()) };
        let uid = object.uid().unwrap_or_default();
        let deleted = is_deleted(&uid);
        match tokio::time::timeout(LIMIT, await_condition(self.api.clone(), self.name, deleted)).await {
            Ok(Ok(_)) => Ok("gone".to_owned()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(format!("still there, with the finalizers {:?}", object.finalizers())),
        }
    }
}

fn described(object: Option<&DynamicObject>) -> String {
    let Some(object) = object else { return "no object".to_owned() };
    let status = &object.data["status"];
    let Some(conditions) = status["conditions"].as_array() else { return "no status".to_owned() };
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let each = |condition: &Value| {
        format!(
            "{}={} ({})",
            text(&condition["type"]),
            text(&condition["status"]),
            text(&condition["reason"])
        )
    };
    let conditions: Vec<_> = conditions.iter().map(each).collect();
    format!("{}, {} columns", conditions.join(", "), status["columnCount"])
}
