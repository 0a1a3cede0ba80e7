//! Set-up and start of PostgreSQL.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use crate::authority::{Authority, Certificate};
use crate::guard::{Guard, StopSignal};
use crate::{Result, account, fresh};

const INITDB: &str = "initdb";
const POSTGRES: &str = "postgres";

/// Limit for each of the two programs. Both take a second or so on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A server that the sandbox has started.
#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    guard: Guard,
    /// It signed the server's certificate.
    authority: Mutex<Authority>,
}

impl Server {
    /// Creates the data folder and starts the server. Also returns its address and the superuser's
    /// configuration.
    pub(crate) async fn start(programs: &Path) -> Result<(Self, SocketAddr, Config)> {
        let guard = Guard::start(account::unprivileged()?)?;
        let (port, password, authority) = (fresh::port()?, fresh::password()?, Authority::new()?);
        let identity = authority.server()?;
        guard.write("ca.crt", authority.certificate())?;
        guard.write("server.crt", identity.certificate)?;
        guard.write("server.key", identity.key)?;
        guard.write("superuser.password", &password)?;
        let server = Self { programs: programs.to_owned(), guard, authority: Mutex::new(authority) };
        server.initialise().await?;
        server.guard.write("data/postgresql.auto.conf", settings(server.guard.folder(), port))?;
        let mut superuser = Config::new();
        superuser.host(Ipv4Addr::LOCALHOST.to_string()).port(port).dbname("postgres");
        superuser.user("postgres").password(password);
        server.run(&superuser).await?;
        Ok((server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), superuser))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// Writes another certificate for the server, of another authority. The server reads it when it starts.
    pub(crate) fn replace_certificate(&self, certificate: Certificate) -> Result<()> {
        let authority = Authority::new()?;
        let identity = authority.server_like(certificate)?;
        self.guard.write("ca.crt", authority.certificate())?;
        self.guard.write("server.crt", identity.certificate)?;
        self.guard.write("server.key", identity.key)?;
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = authority;
        Ok(())
    }

    /// Writes a client's certificate and its key.
    pub(crate) fn client_certificate(&self, user: &str) -> Result<(PathBuf, PathBuf)> {
        let authority = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = authority.client(user, None)?;
        let certificate = self.guard.write(&format!("{user}.crt"), identity.certificate)?;
        Ok((certificate, self.guard.write(&format!("{user}.key"), identity.key)?))
    }

    /// Starts the server process and waits until it answers.
    pub(crate) async fn run(&self, superuser: &Config) -> Result<()> {
        let mut command = Command::new(self.programs.join("postgres"));
        command.arg("-D").arg(self.guard.folder().join("data"));
        self.guard.start_server(POSTGRES, &command, StopSignal::Interrupt)?;
        let answers = async || superuser.connect(NoTls).await.map(drop).map_err(|error| error.to_string());
        self.guard.until_ready(&[POSTGRES], LIMIT, answers).await
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        self.guard.stop_server(POSTGRES).await.map(drop)
    }

    async fn initialise(&self) -> Result<()> {
        let folder = self.guard.folder();
        let mut command = Command::new(self.programs.join("initdb"));
        command
            .args([
                "--username=postgres",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", folder.join("superuser.password").display()))
            .arg(format!("--pgdata={}", folder.join("data").display()));
        self.guard.start_server(INITDB, &command, StopSignal::Terminate)?;
        match self.guard.until_exited(INITDB, LIMIT).await?.as_str() {
            "0" => Ok(()),
            _ => self.guard.check_running(INITDB),
        }
    }
}

/// The server's settings. Its data are temporary, so they needn't survive a power cut.
fn settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = '32MB'
fsync = off
synchronous_commit = off
full_page_writes = off
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
ssl_ca_file = '{folder}/ca.crt'
"
    )
}
