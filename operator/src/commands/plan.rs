//! Command `plan`: the statements that the operator would run for some manifests. It changes nothing.

mod live;
mod printing;
mod reading;

use super::DatabaseOptions;
use crate::{
    api::{ApiError, Objects},
    cluster::Cluster,
    database::{Database, Preview},
    error::TableError,
    marker::Owner,
    plan::PlanError,
    spec::{Declaration, SecretRef},
};
use futures::{StreamExt, stream};
use korf::Error;
use kube::{Client, Config};
pub(super) use live::Known;
use printing::{Note, Part};
use reading::Metadata;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Print the statements that the operator would run for these manifests; nothing is changed
///
/// The exit code is 0 if there is nothing to do, 2 if there is, 1 if a table can't be made as its manifest says or something can't
/// be read, and 64 if the command line is wrong.
#[derive(Debug, clap::Parser)]
#[command(name = "plan")]
pub struct PlanOptions {
    /// Files with manifests, or - for the standard input; may be repeated. Objects of other kinds are left out
    #[arg(short, long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    filename: Vec<PathBuf>,
    /// The namespace of objects that name none; by default that of the kubeconfig's context, as for kubectl
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The name by which tables know this cluster; by default the uid of its namespace kube-system, which is asked for
    #[arg(long, value_name = "NAME", env = "CLUSTER_ID")]
    cluster_id: Option<String>,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// The exit code of a wrong command line (`EX_USAGE`). That of other commands, 2, says here that there is something to do.
pub const MISUSED: u8 = 64;

/// The objects that are read at the same time.
const READS: usize = 8;

/// What there is to do for all objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    statements: usize,
    adopted: usize,
    failed: usize,
}

impl Sum {
    fn code(self) -> u8 {
        match self {
            Self { failed: 1.., .. } => 1,
            Self { statements: 1.., .. } | Self { adopted: 1.., .. } => 2,
            Self { .. } => 0,
        }
    }

    /// Counts what is planned for an object; `None` if it is refused.
    fn add(&mut self, planned: Option<&Preview>) {
        match planned {
            Some(preview) => {
                self.statements += preview.count();
                self.adopted += usize::from(preview.adoption.is_some());
                self.failed += usize::from(!preview.without_value.is_empty());
            }
            None => self.failed += 1,
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
        let read = reading::read(path);
        manifests.extend(read.map_err(|why| Error::new(format!("{}: {why}", path.display())))?);
    }
    let (pool, target) = options.database.pool()?;
    let (cluster, namespace, client) = surroundings(options).await?;
    let manifests: Vec<_> = manifests
        .into_iter()
        .map(|manifest| (owner(manifest.metadata, &namespace, &cluster), manifest.spec))
        .collect();
    let mut names = BTreeSet::new();
    if let Some((owner, _)) = manifests.iter().find(|(owner, _)| !names.insert(owner.to_string())) {
        return Err(Error::new(format!(
            "the DatabaseTable {owner} stands there twice: leave one of them out"
        )));
    }
    let database = Database::new(pool);
    let out = &mut io::stdout();
    writeln!(out, "{}", Note(format!("in {target}; nothing is changed")))?;
    let (mut sum, mut tables) = (Sum::default(), Tables::default());
    let known = stream::iter(&manifests).map(async |(owner, _)| match &client {
        Some(client) => Known::read(client, owner).await,
        None => Known::Unread("--cluster-id stands for the cluster".to_owned()),
    });
    let known: Vec<_> = known.buffered(READS).collect().await;
    for ((owner, spec), known) in manifests.into_iter().zip(known) {
        let planned = planned(&database, &owner, &known, &spec).await;
        let secret = spec.secret.ok().flatten();
        let first =
            planned.as_ref().ok().and_then(|found| tables.take(&found.table, &owner, secret.as_ref()));
        let planned = match (planned, first) {
            (Ok(Preview { table, .. }), Some(owner)) => {
                Err(PlanError::OwnedByAnother { table, owner, foreign: false }.into())
            }
            (planned, _) => planned,
        };
        sum.add(planned.as_ref().ok());
        let unread = if let Known::Unread(why) = known { Some(why) } else { None };
        write!(out, "{}", Part { owner, warnings: spec.warnings, secret, unread, planned })?;
    }
    Ok(sum)
}

/// The tables of the manifests so far: by database, and with the object that would get each.
#[derive(Default)]
struct Tables(HashMap<(Option<SecretRef>, String), Owner>);

impl Tables {
    /// Gives an object its table, and returns the one that would get it before, if there is one.
    fn take(&mut self, table: &str, owner: &Owner, secret: Option<&SecretRef>) -> Option<Owner> {
        let secret = secret.map(|secret| SecretRef {
            namespace: secret.namespace.clone().or_else(|| Some(owner.namespace.clone())),
            ..secret.clone()
        });
        self.0.insert((secret, table.to_owned()), owner.clone())
    }
}

/// The cluster's name in the comments of its tables, the namespace of objects that name none, and the cluster itself. With a name for
/// it, it isn't asked: there may be none, or another one.
async fn surroundings(options: &PlanOptions) -> Result<(String, String, Option<Client>), Error> {
    let config = Config::infer().await;
    let of_context = config.as_ref().map(|config| config.default_namespace.clone());
    let namespace = options.namespace.clone().or_else(|| of_context.ok());
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    if let Some(name) = &options.cluster_id {
        return Ok((name.clone(), namespace, None));
    }
    let why = |error: &dyn fmt::Display| {
        Error::new(format!(
            "can't read the uid of namespace kube-system, which names this cluster in the comments of its tables ({error}): use \
             the kubeconfig of the cluster, or say --cluster-id"
        ))
    };
    let client = Client::try_from(config.map_err(|error| why(&error))?).map_err(|error| why(&error))?;
    let name = Cluster::default().name(&client).await.map(str::to_owned).map_err(|error| why(&error))?;
    Ok((name, namespace, Some(client)))
}

fn owner(metadata: Metadata, namespace: &str, cluster: &str) -> Owner {
    Owner {
        cluster: cluster.to_owned(),
        namespace: metadata.namespace.unwrap_or_else(|| namespace.to_owned()),
        name: metadata.name,
        uid: metadata.uid,
    }
}

/// What would be done for an object.
pub(super) async fn planned(
    database: &Database,
    owner: &Owner,
    known: &Known,
    spec: &Declaration,
) -> Result<Preview, TableError> {
    let table = spec.table.as_ref().map_err(Clone::clone)?;
    spec.secret.as_ref().map_err(Clone::clone)?;
    database.preview(&Alive, &known.claim(owner, spec), table).await
}

/// The objects of manifests, which are to be.
struct Alive;

impl Objects for Alive {
    async fn exists(&self, _: &Owner) -> Result<bool, ApiError> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection::Settings, identifier::Identifier, spec::DeletionPolicy};
    use clap::Parser;
    use serde_json::json;

    fn preview(change: impl FnOnce(&mut Preview)) -> Preview {
        let mut preview = Preview {
            table: "public.t".into(),
            adoption: None,
            statements: Vec::new(),
            steps: Vec::new(),
            warnings: Vec::new(),
            without_value: Vec::new(),
        };
        change(&mut preview);
        preview
    }

    #[test]
    fn files_that_a_shell_has_found_follow_one_option() {
        let options = PlanOptions::parse_from("plan -f a.yaml b.yaml --cluster-id c -f d.yaml".split(' '));
        assert_eq!(options.filename, ["a.yaml", "b.yaml", "d.yaml"].map(PathBuf::from));
    }

    #[test]
    fn the_exit_code_says_whether_there_is_something_to_do_and_whether_it_can_be_done() {
        let nothing = preview(|_| {});
        let change = preview(|preview| preview.statements.push("ALTER".into()));
        let adopted = preview(|preview| preview.adoption = Some(DeletionPolicy::Delete));
        let fails = preview(|preview| {
            preview.statements.push("ALTER".into());
            preview.without_value.push(Identifier::parse("a").unwrap());
        });
        for (planned, code) in [
            (vec![], 0),
            (vec![Some(&nothing)], 0),
            (vec![Some(&change), Some(&nothing)], 2),
            (vec![Some(&adopted), Some(&nothing)], 2),
            (vec![Some(&fails)], 1),
            (vec![None, Some(&change)], 1),
        ] {
            let mut sum = Sum::default();
            planned.iter().for_each(|planned| sum.add(*planned));
            assert_eq!(sum.code(), code, "{planned:?}");
        }
    }

    #[test]
    fn two_objects_get_no_table_together_unless_it_is_in_two_databases() {
        let mut tables = Tables::default();
        let owner = |name: &str| Owner {
            cluster: "c".into(),
            namespace: "shop".into(),
            name: name.into(),
            uid: String::new(),
        };
        let secret = |name: &str| Some(SecretRef { name: name.into(), namespace: None, key: None });
        for (name, secret, takes) in [
            ("a", None, true),
            ("b", None, false),
            ("c", secret("s"), true),
            ("d", secret("other"), true),
            ("e", secret("s"), false),
        ] {
            let first = tables.take("public.t", &owner(name), secret.as_ref());
            assert_eq!(first.is_none(), takes, "{name}");
        }
    }

    #[tokio::test]
    async fn a_mistake_in_the_reference_to_a_secret_is_one_of_the_spec() {
        let spec = json!({"tableName": "t", "columns": [{"a": "text"}], "connectionSecretRef": {}});
        let pool = Settings::read(Some("host=127.0.0.1 port=1"), |_| None).unwrap().pool(1).unwrap();
        let spec = serde_json::from_value(spec).unwrap();
        let owner = owner(Metadata::default(), "shop", "c");
        let error = planned(&Database::new(pool), &owner, &Known::New, &spec).await.unwrap_err();
        assert_eq!(error.to_string(), "spec.connectionSecretRef.name must be the name of a Secret");
    }
}
