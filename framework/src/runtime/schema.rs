//! Whether a kind's schema has room for what its handlers return: the API server drops the rest without a word.

use super::{built_in::is_built_in, fault::explain, kind::Watched, report};
use crate::handler::{Definition, Handler, Returns};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrBool,
};
use kube::Api;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

/// The longest time that the start of a watch waits for this.
const PATIENCE: Duration = Duration::from_secs(5);

impl Watched {
    /// Warns of results that would be dropped, if the operator may read the kind's definition.
    pub(super) async fn check_results(&self) {
        let handlers: Vec<_> =
            self.handlers.iter().filter(|handler| handler.returns != Returns::Nothing).collect();
        let resource = &self.kind.resource;
        if handlers.is_empty() || is_built_in(&resource.group) {
            return;
        }
        let name = format!("{}.{}", resource.plural, resource.group);
        let definitions = Api::<CustomResourceDefinition>::all(self.client().clone());
        match timeout(PATIENCE, definitions.get(&name)).await {
            Ok(Ok(definition)) => {
                let dropped = dropped(&definition, &resource.version, &handlers);
                report::results_dropped(&self.title(), &dropped);
            }
            Ok(Err(error)) => report::definition_unread(&name, &explain(&error)),
            Err(_) => report::definition_unread(&name, "no answer"),
        }
    }
}

/// A field that a handler writes, and the schema doesn't know.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// `status.create`
    pub field: String,
    /// The handler's id.
    pub handler: String,
}

/// What one version of a kind drops of what its handlers return.
fn dropped(definition: &CustomResourceDefinition, version: &str, handlers: &[&Handler]) -> BTreeSet<Dropped> {
    let Some(schema) = schema_of(definition, version) else { return BTreeSet::new() };
    let of_handler = |handler: &&Handler| {
        let id = handler.id.clone();
        let paths = written(handler, version).into_iter().filter(|path| !has_room(schema, path));
        paths.map(move |path| Dropped { field: path.join("."), handler: id.clone() })
    };
    handlers.iter().flat_map(of_handler).collect()
}

/// The fields that a handler writes, as far as its type says so.
fn written(handler: &Handler, version: &str) -> Vec<Vec<String>> {
    let status = || "status".to_owned();
    match handler.returns {
        Returns::Nothing => Vec::new(),
        Returns::Value => vec![vec![status(), handler.id.clone()]],
        Returns::Status => {
            let keys = handler.kind.definition.map(|definition| status_keys(definition, version));
            match keys.filter(|keys| !keys.is_empty()) {
                Some(keys) => keys.into_iter().map(|key| vec![status(), key]).collect(),
                None => vec![vec![status()]],
            }
        }
    }
}

/// The fields of the status that the Rust type has.
fn status_keys(definition: Definition, version: &str) -> Vec<String> {
    let definition = definition();
    let status = schema_of(&definition, version).and_then(|schema| schema.properties.as_ref()?.get("status"));
    status
        .into_iter()
        .flat_map(|status| status.properties.iter().flatten())
        .map(|(key, _)| key.clone())
        .collect()
}

/// The schema of one version; none where nothing is dropped.
fn schema_of<'a>(definition: &'a CustomResourceDefinition, version: &str) -> Option<&'a JSONSchemaProps> {
    if definition.spec.preserve_unknown_fields == Some(true) {
        return None;
    }
    let version = definition.spec.versions.iter().find(|known| known.name == version)?;
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Whether a value at a path is kept.
fn has_room(schema: &JSONSchemaProps, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else { return true };
    if let Some(inner) = schema.properties.as_ref().and_then(|fields| fields.get(key)) {
        return has_room(inner, rest);
    }
    let kept = schema.x_kubernetes_preserve_unknown_fields == Some(true);
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(inner)) => kept || has_room(inner, rest),
        Some(JSONSchemaPropsOrBool::Bool(any)) => kept || *any,
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Result, on_create, on_update, reply::Status};
    use kube::{CustomResource, CustomResourceExt};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    #[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "korf.dev", version = "v1", kind = "Table", namespaced, status = "TableStatus")]
    struct TableSpec {
        table: String,
    }

    #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
    struct TableStatus {
        rows: u32,
        columns: u32,
    }

    async fn value() -> Result<Value> {
        Ok(Value::Null)
    }

    async fn status() -> Result<Status<TableStatus>> {
        Ok(Status(TableStatus { rows: 0, columns: 0 }))
    }

    fn definition(schema: &Value) -> CustomResourceDefinition {
        serde_json::from_value(json!({
            "metadata": {"name": "tables.korf.dev"},
            "spec": {
                "group": "korf.dev", "scope": "Namespaced", "names": {"plural": "tables", "kind": "Table"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        }))
        .unwrap()
    }

    fn found(definition: &CustomResourceDefinition) -> Vec<String> {
        let handlers = [
            on_create::<Table>("make").definition().run(value),
            on_update::<Table>("keep").definition().run(status),
            on_update::<Table>("none").definition().run(async || {}),
        ];
        let dropped = dropped(definition, "v1", &handlers.iter().collect::<Vec<_>>());
        dropped.into_iter().map(|dropped| format!("{} of {}", dropped.field, dropped.handler)).collect()
    }

    #[test]
    fn what_a_schema_has_no_room_for_is_dropped() {
        let number = json!({"type": "integer"});
        let all = ["status.columns of keep", "status.make of make", "status.rows of keep"];
        let cases = [
            (json!({"type": "object"}), &all[..]),
            (json!({"type": "object", "properties": {"status": {"type": "object"}}}), &all),
            (json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), &[]),
            (
                json!({"properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}),
                &[],
            ),
            (json!({"properties": {"status": {"additionalProperties": true}}}), &[]),
            (json!({"properties": {"status": {"additionalProperties": {"type": "string"}}}}), &[]),
            (json!({"properties": {"status": {"properties": {"make": number, "rows": number}}}}), &all[..1]),
        ];
        for (schema, expected) in cases {
            assert_eq!(found(&definition(&schema)), expected, "{schema}");
        }
    }

    #[test]
    fn the_definition_of_ones_own_type_has_room_for_its_status() {
        assert_eq!(found(&Table::crd()), ["status.make of make"]);
    }

    #[test]
    fn other_versions_and_definitions_of_old_say_nothing() {
        let mut of_old = definition(&json!({"type": "object"}));
        of_old.spec.preserve_unknown_fields = Some(true);
        assert!(found(&of_old).is_empty());
        of_old.spec.preserve_unknown_fields = None;
        of_old.spec.versions[0].name = "v2".into();
        assert!(found(&of_old).is_empty());
    }
}
