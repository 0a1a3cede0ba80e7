use super::*;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use std::path::Path;

fn manifest(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(name)
}

fn crd() -> Value {
    serde_json::to_value(DatabaseTable::crd()).unwrap()
}

fn spec_schema() -> Value {
    crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

#[test]
fn the_manifest_is_generated_from_the_types() {
    let header = "# Made from operator/src/crd.rs. To regenerate it:\n\
                  # UPDATE_MANIFESTS=1 cargo test -p database-table-operator --lib crd\n";
    let fresh = format!("{header}{}", serde_saphyr::to_string(&crd()).unwrap());
    let path = manifest("crd.yaml");
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == fresh,
        "manifests/crd.yaml is stale; UPDATE_MANIFESTS=1 cargo test -p database-table-operator --lib crd"
    );
}

#[test]
fn the_names_are_those_of_the_kopf_demo() {
    let crd = crd();
    let text = std::fs::read_to_string(manifest("kopf-demo-crd.yaml")).unwrap();
    let demo: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(crd["metadata"]["name"], demo["metadata"]["name"]);
    for field in ["group", "scope"] {
        assert_eq!(crd["spec"][field], demo["spec"][field], "{field}");
    }
    for name in ["kind", "plural", "singular"] {
        assert_eq!(crd["spec"]["names"][name], demo["spec"]["names"][name], "{name}");
    }
    assert_eq!(crd["spec"]["versions"][0]["name"], demo["spec"]["versions"][0]["name"]);
    assert_eq!(crd["spec"]["versions"][0]["subresources"], json!({"status": {}}));
}

#[test]
fn the_object_of_the_kopf_demo_is_read_by_the_types_and_by_the_operator() {
    let text = std::fs::read_to_string(manifest("kopf-demo-cr.yaml")).unwrap();
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    let typed = DatabaseTableSpec::deserialize(&object["spec"]).unwrap();
    assert_eq!(typed.columns.len(), 5);
    assert_eq!(typed.primary_key, Some(PrimaryKey::One("USER_ID".into())));
    assert_eq!(serde_json::to_value(&typed).unwrap(), object["spec"]);
    assert!(crate::spec::Table::from_spec(Some(&object["spec"])).is_ok());
    assert!(crate::spec::warnings(&object["spec"]).is_empty());
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>
#[test]
fn the_schema_is_structural() {
    fn check(schema: &Value, path: &str) {
        let free = schema["x-kubernetes-preserve-unknown-fields"] == json!(true);
        assert!(schema["type"].is_string() || free, "{path} has no type");
        for junctor in ["anyOf", "oneOf", "allOf", "not", "$ref"] {
            assert!(schema.get(junctor).is_none(), "{path} has {junctor}");
        }
        assert!(
            schema.get("properties").is_none() || schema.get("additionalProperties").is_none(),
            "{path} has properties and additionalProperties"
        );
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            check(inner, &format!("{path}.{name}"));
        }
        for inner in ["items", "additionalProperties"] {
            if schema.get(inner).is_some() {
                check(&schema[inner], &format!("{path}.{inner}"));
            }
        }
    }
    check(&crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "");
}

#[test]
fn nothing_in_the_schema_holds_an_object_from_before() {
    fn check(schema: &Value, path: &str) {
        assert!(schema.get("x-kubernetes-validations").is_none(), "{path} has rules");
        let inner = schema.as_object().into_iter().flatten();
        inner.for_each(|(name, inner)| check(inner, &format!("{path}.{name}")));
    }
    let schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    check(&schema, "");
    assert!(schema.get("required").is_none(), "an object without a spec couldn't be changed");
    assert_eq!(spec_schema()["required"], json!(["columns", "tableName"]));
}

#[test]
fn every_field_has_a_description() {
    for field in [
        "tableName",
        "schema",
        "createSchema",
        "columns",
        "primaryKey",
        "indexes",
        "connectionSecretRef",
        "deletionPolicy",
        "adoptionPolicy",
        "driftPolicy",
    ] {
        assert!(spec_schema()["properties"][field]["description"].is_string(), "{field} has no description");
    }
}

#[test]
fn kubectl_get_prints_table_columns_and_readiness() {
    let columns = crd()["spec"]["versions"][0]["additionalPrinterColumns"].clone();
    let names: Vec<_> =
        columns.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["Table", "Columns", "Ready", "Reason", "Age"]);
}
