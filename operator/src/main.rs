//! The binary: options, the pool, and the handlers of the library.

use database_table_operator::{
    cluster::Cluster,
    connection::{Settings, SettingsError},
    error::DatabaseError,
    handlers::Context,
    sqlstate::ErrorClass,
};
use korf::Operator;
use std::process::ExitCode;
use tracing::{debug, warn};

/// What `run` takes besides the options of all operators.
#[derive(Debug, clap::Args)]
struct Options {
    /// The database in which the tables are: postgres://user:password@host/name?sslmode=verify-full, or
    /// "host=… user=…". What it leaves open, the usual PG* variables say (PGHOST, PGUSER, PGPASSWORD, …).
    /// Better given as DATABASE_URL: other users of a machine see its command lines.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// The most connections to the database
    #[arg(long, value_name = "N", env = "DATABASE_CONNECTIONS", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    database_connections: u16,

    /// What tells this cluster from others that use the same database; by default the uid of its namespace
    /// kube-system. Tables remember it: under another name, the operator doesn't know its own.
    #[arg(long, value_name = "NAME", env = "CLUSTER_ID")]
    cluster_id: Option<String>,
}

/// Why the operator doesn't start.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Connection(#[from] SettingsError),
    #[error("the {target} refuses the operator: {error}. Check DATABASE_URL (or --database-url, or PG*)")]
    Refused { target: String, error: DatabaseError },
}

fn main() -> ExitCode {
    korf::cli::main_with(korf::program!(), set_up)
}

async fn set_up(operator: Operator, options: Options) -> Result<Operator, SetupError> {
    let settings = Settings::from_env(options.database_url.as_deref())?;
    let pool = settings.pool(options.database_connections.into())?;
    let target = settings.target();
    match pool.get().await.map_err(DatabaseError::from) {
        Ok(_) => debug!("Connected to the {target}."),
        // It may come back by itself, and meanwhile objects should say so.
        Err(error) if error.class == ErrorClass::Temporary => {
            warn!(target: "root", "The {target} is not there yet: {error}. Handlers are tried until it is.");
        }
        Err(error) => return Err(SetupError::Refused { target, error }),
    }
    let cluster = options.cluster_id.map_or_else(Cluster::default, Cluster::named);
    Ok(operator.kopf_compatible().state(Context { pool, cluster }))
}
