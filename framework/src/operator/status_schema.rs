//! Check of the status storage: a CRD whose schema drops the operator's field would lose all progress.

use super::RunError;
use crate::{families::Kind, settings::Settings};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrBool,
};
use kube::{Api, Client};
use tokio::time::timeout;

/// Checks the CRDs of these kinds, as far as the operator may read them.
///
/// # Errors
/// One of them drops `status.<field>`.
pub(super) async fn check(
    client: &Client,
    kinds: impl Iterator<Item = &Kind>,
    field: &str,
    settings: &Settings,
) -> Result<(), RunError> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for resource in kinds.map(|kind| &kind.resource) {
        let name = format!("{}.{}", resource.plural, resource.group);
        let Ok(Ok(definition)) = timeout(settings.requests.timeout, definitions.get(&name)).await else {
            // A built-in kind, one that is installed later, or no permission.
            continue;
        };
        let schema = schema_of(&definition, &resource.version);
        if schema.is_some_and(|schema| !keeps(schema, &["status", field, "progress"])) {
            return Err(RunError::StatusStorage { definition: name, field: field.to_owned() });
        }
    }
    Ok(())
}

/// The schema of one version; none where nothing is dropped.
fn schema_of<'a>(definition: &'a CustomResourceDefinition, version: &str) -> Option<&'a JSONSchemaProps> {
    if definition.spec.preserve_unknown_fields == Some(true) {
        return None;
    }
    let version = definition.spec.versions.iter().find(|known| known.name == version)?;
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Whether the API server keeps a value at a path.
fn keeps(schema: &JSONSchemaProps, path: &[&str]) -> bool {
    let Some((key, rest)) = path.split_first() else { return true };
    if let Some(inner) = schema.properties.as_ref().and_then(|fields| fields.get(*key)) {
        return keeps(inner, rest);
    }
    let kept = schema.x_kubernetes_preserve_unknown_fields == Some(true);
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(inner)) => kept || keeps(inner, rest),
        Some(JSONSchemaPropsOrBool::Bool(any)) => kept || *any,
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_schema_keeps_what_it_names_and_what_it_is_told_to_preserve() {
        let preserve = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let cases = [
            (json!({"type": "object"}), false),
            (json!({"properties": {"status": {"type": "object"}}}), false),
            (json!({"properties": {"status": {"properties": {"ready": {"type": "boolean"}}}}}), false),
            (preserve.clone(), true),
            (json!({"properties": {"status": preserve}}), true),
            (json!({"properties": {"status": {"properties": {"op": preserve}}}}), true),
            (json!({"properties": {"status": {"properties": {"op": {"type": "object"}}}}}), false),
            (json!({"properties": {"status": {"additionalProperties": true}}}), true),
            (json!({"properties": {"status": {"additionalProperties": {"type": "object"}}}}), false),
        ];
        for (schema, kept) in cases {
            let parsed: JSONSchemaProps = from_value(schema.clone()).unwrap();
            assert_eq!(keeps(&parsed, &["status", "op", "progress"]), kept, "{schema}");
        }
    }
}
