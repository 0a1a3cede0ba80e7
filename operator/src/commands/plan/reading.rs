//! Reading of manifests as kubectl reads them, which is YAML 1.1: an unquoted `N` is `false`, also where it is the name of a column.

use crate::spec::Declaration;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// An object, as its author has written it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Manifest {
    pub metadata: Metadata,
    pub spec: Declaration,
}

/// What it is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
}

/// The files that a path stands for, as for kubectl: a folder's manifests, without those of folders in it.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(path) else { return vec![path.to_owned()] };
    let paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let is_manifest = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
    };
    let mut files: Vec<_> = paths.filter(|path| is_manifest(path) && path.is_file()).collect();
    files.sort_unstable();
    files
}

/// The manifests of DatabaseTables in a file; `-` is the standard input.
pub fn read(path: &Path) -> Result<Vec<Manifest>, String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    } else {
        text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    }
    manifests(&text)
}

fn manifests(text: &str) -> Result<Vec<Manifest>, String> {
    let documents: Vec<Yaml> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| error.to_string())?;
    let objects = documents.into_iter().flat_map(|Yaml(mut document)| match document["items"].take() {
        // What `kubectl get -o yaml` prints.
        Value::Array(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items,
        items => {
            if let Some(document) = document.as_object_mut().filter(|_| !items.is_null()) {
                document.insert("items".to_owned(), items);
            }
            vec![document]
        }
    });
    let is_table = |object: &Value| {
        let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/'));
        object["kind"] == "DatabaseTable" && group.is_some_and(|(group, _)| group == "kopf.demo")
    };
    let mut found = Vec::new();
    for object in objects.filter(is_table) {
        let manifest: Manifest = serde_json::from_value(object).map_err(|error| error.to_string())?;
        if manifest.metadata.name.is_empty() {
            return Err("a DatabaseTable has no metadata.name: give it one".to_owned());
        }
        found.push(manifest);
    }
    Ok(found)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

/// A value, in which each key became the text that kubectl makes of it.
struct Yaml(Value);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(Yaml(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(Yaml(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Map::new();
        while let Some((Yaml(key), Yaml(value))) = entries.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => other.to_string(),
            };
            map.insert(key, value);
        }
        Ok(Yaml(map.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_among_documents_of_all_sorts_and_in_lists() {
        let text = "\
# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
items: [1]
---
apiVersion: kopf.demo/v1
kind: DatabaseTable
metadata: {name: one, namespace: shop}
spec: {tableName: ONE, columns: [{ID: integer}]}
---
---
apiVersion: v1
kind: List
items:
- apiVersion: kopf.demo/v1
  kind: DatabaseTable
  metadata: {name: two, uid: u}
  spec: {tableName: TWO}
";
        let found = manifests(text).unwrap();
        let named = |found: &Manifest| {
            let Metadata { namespace, name, uid } = &found.metadata;
            (namespace.clone().unwrap_or_default(), name.clone(), uid.clone())
        };
        let named: Vec<_> = found.iter().map(named).collect();
        let expected = [("shop", "one", ""), ("", "two", "u")];
        assert_eq!(
            named,
            expected.map(|(one, two, three)| (one.to_owned(), two.to_owned(), three.to_owned()))
        );
        assert!(found[0].spec.table.is_ok() && found[1].spec.table.is_err());
        let nameless = "apiVersion: kopf.demo/v1\nkind: DatabaseTable\nspec: {}\n";
        assert!(manifests(nameless).unwrap_err().contains("no metadata.name"));
    }

    #[test]
    fn keys_and_values_are_what_kubectl_makes_of_them() {
        for (text, json) in [
            ("N: a", r#"{"false":"a"}"#),
            ("'N': a", r#"{"N":"a"}"#),
            ("yes: off", r#"{"true":false}"#),
            ("0x10: 010", r#"{"16":8}"#),
            ("1.5: '1.5'", r#"{"1.5":"1.5"}"#),
            ("NAME: [y, ~, {on: 1}]", r#"{"NAME":[true,null,{"true":1}]}"#),
            ("2026-01-01: 2026-01-01", r#"{"2026-01-01":"2026-01-01"}"#),
        ] {
            let Yaml(value) = serde_saphyr::from_str_with_options(text, options()).unwrap();
            assert_eq!(value.to_string(), json, "{text}");
        }
    }
}
