//! Command `plan`: the statements that the operator would run for some manifests. It changes nothing.

use super::DatabaseOptions;
use crate::{
    api::{ApiError, Objects},
    cluster::Cluster,
    database::{Database, Preview},
    error::TableError,
    marker::Owner,
    message::printable,
    plan::Claim,
    spec::{Declaration, SecretRef},
};
use korf::Error;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Print the statements that the operator would run for these manifests; nothing is changed
///
/// The exit code is 0 if there is nothing to do, 2 if there is, and 1 if a table can't be made as its manifest says, or something
/// can't be read.
#[derive(Debug, clap::Parser)]
#[command(name = "plan")]
pub struct PlanOptions {
    /// A file with manifests, or - for the standard input; may be repeated. Objects of other kinds are left out
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// The name by which tables know this cluster; by default the uid of its namespace kube-system, which is asked for
    #[arg(long, value_name = "NAME", env = "CLUSTER_ID")]
    cluster_id: Option<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// An object, as its author has written it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    metadata: Metadata,
    spec: Declaration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: Option<String>,
    name: String,
    uid: String,
}

/// What there is to do for all objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    statements: usize,
    failed: usize,
}

impl Sum {
    fn code(self) -> u8 {
        match self {
            Self { failed: 1.., .. } => 1,
            Self { statements: 1.., .. } => 2,
            Self { .. } => 0,
        }
    }
}

/// Prints the plan.
pub async fn plan(options: PlanOptions) -> ExitCode {
    match print(&options).await {
        Ok(sum) => ExitCode::from(sum.code()),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn print(options: &PlanOptions) -> Result<Sum, Error> {
    let mut manifests = Vec::new();
    for path in &options.filename {
        manifests.extend(read(path).map_err(|why| Error::new(format!("{}: {why}", path.display())))?);
    }
    let (pool, target) = options.database.pool()?;
    let cluster = cluster(options).await?;
    let database = Database::new(pool);
    let out = &mut io::stdout();
    writeln!(out, "{}", Note(format!("in {target}; nothing is changed")))?;
    let mut sum = Sum::default();
    for manifest in manifests {
        let owner = owner(&manifest.metadata, &options.namespace, &cluster);
        let planned = planned(&database, &owner, &manifest.spec).await;
        sum.statements += planned.as_ref().map_or(0, Preview::count);
        sum.failed += usize::from(planned.is_err());
        let secret = manifest.spec.secret.ok().flatten();
        write!(out, "{}", Part { owner, warnings: manifest.spec.warnings, secret, planned })?;
    }
    Ok(sum)
}

async fn cluster(options: &PlanOptions) -> Result<String, Error> {
    if let Some(name) = &options.cluster_id {
        return Ok(name.clone());
    }
    let why = |error: &dyn fmt::Display| {
        Error::new(format!(
            "can't read the uid of namespace kube-system, which names this cluster in the comments of its tables ({error}): use \
             the kubeconfig of the cluster, or say --cluster-id"
        ))
    };
    let client = Client::try_default().await.map_err(|error| why(&error))?;
    Cluster::default().name(&client).await.map(str::to_owned).map_err(|error| why(&error))
}

/// The manifests of DatabaseTables in a file.
fn read(path: &Path) -> Result<Vec<Manifest>, String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    } else {
        text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    }
    manifests(&text)
}

fn manifests(text: &str) -> Result<Vec<Manifest>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    let objects = documents.into_iter().flat_map(|mut document| match document["items"].take() {
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

fn owner(metadata: &Metadata, namespace: &str, cluster: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        namespace: metadata.namespace.clone().unwrap_or_else(|| namespace.to_owned()),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
    }
}

/// What would be done for an object.
pub(super) async fn planned(
    database: &Database,
    owner: &Owner,
    spec: &Declaration,
) -> Result<Preview, TableError> {
    let table = spec.table.as_ref().map_err(Clone::clone)?;
    let claim = Claim {
        owner: owner.clone(),
        table: None,
        columns: BTreeSet::new(),
        is_elsewhere: false,
        former: None,
        adoption: table.policies.adoption,
        is_first_hand: false,
        drift: table.policies.drift,
        was_applied: false,
    };
    database.preview(&Alive, &claim, table).await
}

/// The objects of manifests, which are to be.
struct Alive;

impl Objects for Alive {
    async fn exists(&self, _: &Owner) -> Result<bool, ApiError> {
        Ok(true)
    }
}

/// What is printed of one object.
struct Part {
    owner: Owner,
    warnings: Vec<String>,
    secret: Option<SecretRef>,
    planned: Result<Preview, TableError>,
}

/// A comment of SQL. Names and messages may have ends of lines; what follows one would be a statement.
struct Note(String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-- {}", printable(&self.0))
    }
}

/// Prints statements as comments, each line of them as one.
fn hold_back(f: &mut fmt::Formatter<'_>, statements: &[String]) -> fmt::Result {
    let text = statements.iter().map(|statement| format!("held back: {statement};\n")).collect::<String>();
    text.lines().try_for_each(|line| writeln!(f, "{}", Note(line.to_owned())))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", Note(format!("DatabaseTable {}", self.owner)))?;
        for warning in &self.warnings {
            writeln!(f, "{}", Note(format!("WARNING: {warning}")))?;
        }
        if let Some(secret) = &self.secret {
            let text = format!(
                "WARNING: its database is that of the Secret {}, which isn't read: what follows is true if --database-url leads \
                 there, as the same user",
                secret.name
            );
            writeln!(f, "{}", Note(text))?;
        }
        match &self.planned {
            Ok(preview) => preview.fmt(f),
            Err(error) => {
                writeln!(f, "{}", Note(format!("{}: {error}", error.reason())))?;
                hold_back(f, error.pending())
            }
        }
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "{}", Note(format!("WARNING: {warning}")))?;
        }
        if self.count() == 0 {
            return writeln!(f, "{}", Note(format!("table {} is as the spec asks", self.table)));
        }
        self.statements.iter().try_for_each(|statement| writeln!(f, "{statement};"))?;
        for (what, statements) in &self.steps {
            writeln!(f, "{}", Note(format!("then, by itself: {what}")))?;
            statements.iter().try_for_each(|statement| writeln!(f, "{statement};"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlanError;

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
        let owners: Vec<_> = found.iter().map(|found| owner(&found.metadata, "home", "c")).collect();
        let owners: Vec<_> = owners.iter().map(|owner| (owner.to_string(), &*owner.uid)).collect();
        assert_eq!(owners, [("shop/one".to_owned(), ""), ("home/two".to_owned(), "u")]);
        assert!(found[0].spec.table.is_ok() && found[1].spec.table.is_err());
        let nameless = "apiVersion: kopf.demo/v1\nkind: DatabaseTable\nspec: {}\n";
        assert!(manifests(nameless).unwrap_err().contains("no metadata.name"));
    }

    #[test]
    fn what_somebody_else_has_named_stays_in_a_comment() {
        let evil = "x\n; DROP TABLE t; --\r\\! id\u{85}";
        let owner =
            Owner { cluster: evil.into(), namespace: evil.into(), name: evil.into(), uid: evil.into() };
        let secret = SecretRef { name: evil.into(), namespace: None, key: None };
        let preview = Preview {
            table: evil.into(),
            statements: Vec::new(),
            steps: vec![(evil.into(), Vec::new())],
            warnings: Vec::new(),
        };
        let refused =
            PlanError::NotAdopted { table: evil.into(), differences: vec![evil.into()], pending: Vec::new() };
        let held_back = PlanError::Incompatible {
            table: evil.into(),
            changes: Vec::new(),
            pending: vec![format!("ALTER TABLE \"{evil}\"\n  ADD b integer")],
        };
        for planned in [Ok(preview), Err(refused.into()), Err(held_back.into())] {
            let part = Part {
                owner: owner.clone(),
                warnings: vec![evil.into()],
                secret: Some(secret.clone()),
                planned,
            };
            let text = part.to_string();
            let is_comment = |line: &str| line.is_empty() || line.starts_with("-- ");
            assert!(text.split(['\n', '\r', '\u{85}']).all(is_comment), "{text}");
        }
    }

    #[test]
    fn the_exit_code_says_whether_there_is_something_to_do_and_whether_it_can_be_done() {
        for (statements, failed, code) in [(0, 0, 0), (3, 0, 2), (0, 1, 1), (3, 1, 1)] {
            assert_eq!(Sum { statements, failed }.code(), code);
        }
    }
}
