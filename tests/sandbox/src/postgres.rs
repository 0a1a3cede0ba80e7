//! A PostgreSQL server.

mod binaries;
mod database;
mod maven;
mod server;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;

use korf_programs::environment;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::{Certificate, Error, Result, fresh};
pub use database::Database;
use server::Server;

/// The variable that names an external server, to use instead of starting one. It isn't `DATABASE_URL`, which
/// is often set for another reason, and tests create roles and databases.
const VARIABLE: &str = "KORF_SANDBOX_DATABASE_URL";

/// A PostgreSQL server, started by the sandbox or external.
///
/// The sandbox's own server requires passwords, and accepts connections with and without TLS. It stops when
/// dropped, and with the process, however that ends.
#[derive(Debug)]
pub struct Postgres {
    superuser: Config,
    address: SocketAddr,
    psql: Option<PathBuf>,
    server: Option<Server>,
}

impl Postgres {
    /// Starts a server, or uses the external one that `KORF_SANDBOX_DATABASE_URL` names, which must accept
    /// connections without TLS.
    pub async fn start() -> Result<Self> {
        if let Some(url) = environment::variable(VARIABLE) {
            return Self::external(&url.to_string_lossy());
        }
        match Self::start_own().await {
            Err(error) if error.is_port_taken() => Self::start_own().await,
            result => result,
        }
    }

    /// Downloads the programs if this machine has none, so that [`Postgres::start`] takes seconds.
    pub async fn prepare() -> Result<()> {
        match environment::variable(VARIABLE) {
            Some(_) => Ok(()),
            None => binaries::find().await.map(drop),
        }
    }

    fn external(url: &str) -> Result<Self> {
        let invalid = |reason: String| Error::DatabaseUrl { reason };
        let superuser: Config =
            url.parse().map_err(|error: tokio_postgres::Error| invalid(error.to_string()))?;
        let Some(Host::Tcp(host)) = superuser.get_hosts().first() else {
            return Err(invalid("it has no host name or address".to_owned()));
        };
        let port = superuser.get_ports().first().copied().unwrap_or(5432);
        let found = (host.as_str(), port).to_socket_addrs();
        let found = found.map_err(|error| invalid(format!("{host}: {error}")))?.next();
        let address = found.ok_or_else(|| invalid(format!("the host {host} has no address")))?;
        Ok(Self { superuser, address, psql: environment::program("psql"), server: None })
    }

    async fn start_own() -> Result<Self> {
        let programs = binaries::find().await?;
        let (server, address, superuser) = Server::start(&programs).await?;
        let psql = Some(programs.join("psql")).filter(|program| program.is_file());
        let psql = psql.or_else(|| environment::program("psql"));
        Ok(Self { superuser, address, psql, server: Some(server) })
    }

    /// The server's address, to put a [`Proxy`](crate::Proxy) in front of it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates a database, and a role of the same name that owns it. On an external server, the name gets a
    /// unique suffix, and both remain there.
    pub async fn create_database(&self, name: &str) -> Result<Database> {
        let name = if self.server.is_some() { name.to_owned() } else { fresh::name(name, '_') };
        let (password, quoted) = (fresh::password()?, name.replace('"', "\"\""));
        let superuser = database::connect(&self.superuser).await?;
        for statement in [
            format!("CREATE ROLE \"{quoted}\" LOGIN PASSWORD '{password}'"),
            // Not template1, the default, which can't be copied while there are connections to it.
            format!("CREATE DATABASE \"{quoted}\" OWNER \"{quoted}\" TEMPLATE template0"),
        ] {
            let action = format!("create the database {name}");
            superuser.batch_execute(&statement).await.map_err(Error::database(action))?;
        }
        let (user, superuser) = (name.clone(), self.superuser.clone());
        Ok(Database { name, user, password, address: self.address, superuser })
    }

    /// A `psql` command that connects as the superuser to the database `postgres`. Use `-d` for another
    /// database.
    pub fn psql(&self) -> Result<Command> {
        let mut command = Command::new(self.psql.as_ref().ok_or(Error::NoPsql)?);
        let password = self.superuser.get_password().unwrap_or_default();
        command
            .env("PGHOST", self.address.ip().to_string())
            .env("PGPORT", self.address.port().to_string())
            .env("PGUSER", self.superuser.get_user().unwrap_or("postgres"))
            .env("PGPASSWORD", String::from_utf8_lossy(password).as_ref())
            .env("PGDATABASE", self.superuser.get_dbname().unwrap_or("postgres"))
            .arg("--no-psqlrc");
        Ok(command)
    }

    /// The certificate of the authority that signed the server's certificate, for `sslrootcert`. The latter
    /// is for
    /// 127.0.0.1 and localhost.
    pub fn ca_certificate(&self) -> Result<PathBuf> {
        Ok(self.own("find the server's certificate authority")?.folder().join("ca.crt"))
    }

    /// Restarts the server with another certificate, of another authority: from then on, [`Postgres::ca_certificate`] has
    /// that one.
    pub async fn replace_certificate(&self, certificate: Certificate) -> Result<()> {
        let server = self.own("replace the server's certificate")?;
        server.stop().await?;
        server.replace_certificate(certificate)?;
        server.run(&self.superuser).await
    }

    /// A certificate for a user, which the server's authority has signed, and its key, for `sslcert` and `sslkey`.
    pub fn client_certificate(&self, user: &str) -> Result<(PathBuf, PathBuf)> {
        self.own("sign a client's certificate")?.client_certificate(user)
    }

    /// Stops the server and drops its connections. Its data remain.
    pub async fn stop(&self) -> Result<()> {
        self.own("stop PostgreSQL")?.stop().await
    }

    /// Starts the server again after [`Postgres::stop`], on the same port, and waits until it answers.
    pub async fn resume(&self) -> Result<()> {
        self.own("start PostgreSQL")?.run(&self.superuser).await
    }

    /// Starts another server, which is a hot standby of this one and follows it until somebody promotes it (`pg_promote()`): from
    /// now on, it has all that this one has when it is stopped. This one is restarted for a copy of its data.
    pub async fn standby(&self) -> Result<Self> {
        let (server, programs) = (self.own("start a standby")?, binaries::find().await?);
        server.stop().await?;
        let copied = Server::copy(&programs, server, &self.superuser).await;
        server.run(&self.superuser).await?;
        let (standby, address, superuser) = copied?;
        standby.run(&superuser).await?;
        server.until_followed(&self.superuser).await?;
        Ok(Self { superuser, address, psql: self.psql.clone(), server: Some(standby) })
    }

    /// A primary's database on this server, which is a standby of it.
    pub fn copy_of(&self, database: &Database) -> Database {
        Database { address: self.address, superuser: self.superuser.clone(), ..database.clone() }
    }

    fn own(&self, action: &'static str) -> Result<&Server> {
        self.server.as_ref().ok_or(Error::ExternalServer { action, variable: VARIABLE })
    }
}
