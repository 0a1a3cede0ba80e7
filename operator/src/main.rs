//! The binary: its options, the connection pool, and the library's handlers.

use database_table_operator::{
    checks::{self, Rules},
    cluster::Cluster,
    commands::{self, DatabaseOptions, patiently},
    connection::{Settings, SettingsError},
    connections::{Connections, Link},
    error::DatabaseError,
    handlers::Context,
    metrics, secret_watch,
    sqlstate::ErrorClass,
};
use korf::{
    Operator,
    cli::{Checks, Finding, Installation},
};
use std::{process::ExitCode, time::Duration};
use tracing::{debug, error, info, warn};

/// Options of `run`, in addition to those of all operators.
#[derive(Debug, clap::Args)]
struct Options {
    #[command(flatten)]
    database: DatabaseOptions,

    /// Have no database but those that objects name by connectionSecretRef: one that names none gets no table. It has to be said,
    /// so that the URL isn't forgotten
    #[arg(long, env = "NO_OWN_DATABASE")]
    no_own_database: bool,

    /// The maximum number of database connections, to all databases together, at least 3: an index may be built by one of them for hours.
    /// Four times as many objects are handled at once, unless --set queueing.concurrency says otherwise
    #[arg(long, value_name = "N", env = "DATABASE_CONNECTIONS", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(3..))]
    database_connections: u16,

    /// Let objects of all namespaces use the Secrets of this one; may be repeated. Without it, connectionSecretRef names a
    /// Secret of the object's own namespace
    #[arg(long, value_name = "NAMESPACE", env = "ALLOW_SECRETS_OF", value_delimiter = ',')]
    allow_secrets_of: Vec<String>,

    /// Watch the Secrets of the served namespaces, so that objects are handled as soon as theirs comes or changes. It takes the
    /// permissions list and watch for all of them, which `manifests` doesn't grant
    #[arg(long, env = "WATCH_SECRETS")]
    watch_secrets: bool,

    /// Look so often, in seconds, whether somebody has changed a table; 0: never, but at the start
    #[arg(long, value_name = "SECONDS", env = "DRIFT_INTERVAL", default_value_t = 300)]
    drift_interval: u32,

    /// Leave the tables alone that Kopf's operator has made for the objects, instead of taking them over: for a copy of a cluster
    /// in which it still runs
    #[arg(long, env = "LEAVE_KOPF_TABLES")]
    leave_kopf_tables: bool,

    /// A name that tells this cluster from others using the same database; by default the uid of namespace
    /// kube-system. Tables record it: under another name, the operator doesn't recognize its tables.
    #[arg(long, value_name = "NAME", env = "CLUSTER_ID")]
    cluster_id: Option<String>,
}

/// The objects that are handled at the same time, for each database connection: their other requests take several times as
/// long as their transactions.
const OBJECTS_PER_CONNECTION: usize = 4;

/// A reason not to start.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("{0}, or --no-own-database if each object names its database by connectionSecretRef")]
    NoDatabase(SettingsError),
    #[error(transparent)]
    Settings(SettingsError),
}

impl From<SettingsError> for SetupError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::NoDatabase => Self::NoDatabase(error),
            error => Self::Settings(error),
        }
    }
}

impl Options {
    /// The settings of the operator's own database, if it is to have one.
    fn settings(&self) -> Result<Option<Settings>, SetupError> {
        Ok(self.database.settings_unless(self.no_own_database)?)
    }
}

fn main() -> ExitCode {
    // Where the state is stored is the same for all commands: `explain` reads it, too.
    let program = korf::cli::program!()
        .operator(|operator| with_settings(operator.kopf_compatible().follow_generations()))
        .installation(installation())
        .command(commands::plan)
        .misused(commands::MISUSED)
        .command(commands::import);
    korf::cli::main_with_checks(program, set_up, check)
}

/// The framework's events about handlers would repeat those about tables. And a namespace that can't be listed keeps no others waiting: what
/// is indexed tells by shares whether most tables are missing.
fn with_settings(mut operator: Operator) -> Operator {
    operator.settings_mut().posting.transitions = false;
    operator.settings_mut().watching.index_limit = Duration::from_secs(5);
    operator
}

/// The database's URL is a file, because a variable would keep the password that it had when the container started. The
/// database is looked for before the operator runs, for as long as `PGCONNECT_TIMEOUT` says.
fn installation() -> Installation {
    Installation::new()
        .replicas(2)
        .secret_file("DATABASE_URL_FILE", "DATABASE_URL")
        .reaches(5432)
        .starts_within(Duration::from_mins(5))
        .manifest(include_str!("../manifests/admission.yaml"))
}

async fn check(options: Options, checks: &Checks) {
    let own = match options.settings() {
        Ok(own) => own,
        Err(error) => return checks.report(Finding::failed("database", error.to_string())),
    };
    match &own {
        Some(settings) => {
            let found = patiently("Connecting to the database", checks::of_database(settings)).await;
            found.into_iter().for_each(|finding| checks.report(finding));
        }
        None => {
            checks.report(Finding::fine("database", "the operator has none of its own (--no-own-database)"));
        }
    }
    checks::of_secrets(checks, &Rules { own: own.as_ref(), allowed: &options.allow_secrets_of }).await;
}

async fn set_up(operator: Operator, options: Options) -> Result<Operator, SetupError> {
    let settings = options.settings()?;
    let most = options.database_connections.into();
    let connections = Connections::new(settings.as_ref(), most, options.allow_secrets_of)?;
    match (settings, connections.own()) {
        (Some(settings), Some(own)) => connect(own, &settings.target()).await,
        _ => info!(
            target: "root",
            "The operator has no database of its own, as --no-own-database says: each object has to name one by \
             connectionSecretRef."
        ),
    }
    // More objects at once would only wait for each other, each with a connection of its own to the API server.
    let operator = operator.concurrency(OBJECTS_PER_CONNECTION * usize::from(options.database_connections));
    let operator = operator.register_metrics(|registry| metrics::register(registry, connections.pools()));
    let cluster = options.cluster_id.map_or_else(Cluster::default, Cluster::named);
    let drift_interval =
        (options.drift_interval > 0).then(|| Duration::from_secs(options.drift_interval.into()));
    let context =
        Context { connections, cluster, drift_interval, leaves_kopf_tables: options.leave_kopf_tables };
    let watching = options.watch_secrets.then(secret_watch::handlers).into_iter().flatten();
    Ok(watching.fold(operator.state(context), Operator::handler))
}

/// Connects to the operator's own database, and tells if it can't: the operator goes on, for the objects that name another one, and because
/// what is wrong may be put right without a start (docs/decisions/0108-a-rejected-login-is-no-end.md).
async fn connect(own: &Link, target: &str) {
    match own.pool().get().await.map_err(DatabaseError::from) {
        Ok(_) => debug!("Connected to {target}."),
        // It may come back without help, and meanwhile the objects' statuses should say that it is down.
        Err(error) if error.class == ErrorClass::Temporary => {
            warn!(
                target: "root",
                "No connection yet to {target}: {error}. Handlers are retried until there is one."
            );
        }
        Err(error) => error!(
            target: "root",
            "Can't connect to {target}: {error}. Check DATABASE_URL (or --database-url, DATABASE_URL_FILE, or PG*). The objects \
             without connectionSecretRef wait for that."
        ),
    }
}
