//! Set-up and start of PostgreSQL.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use crate::authority::{Authority, Certificate};
use crate::guard::{Guard, StopSignal};
use crate::postgres::database;
use crate::{Result, account, fresh};

const INITDB: &str = "initdb";
const POSTGRES: &str = "postgres";
const COPY: &str = "copy";

/// Limit for each of the programs. They take a second or so on an idle machine.
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
        let (server, password) = (Self::without_data(programs)?, fresh::password()?);
        server.guard.write("superuser.password", &password)?;
        server.initialise().await?;
        let (address, superuser) = server.settle(password.as_bytes(), "")?;
        server.run(&superuser).await?;
        Ok((server, address, superuser))
    }

    /// Copies the data of a server, which is stopped, for a standby that follows it, and doesn't start that.
    pub(crate) async fn copy(
        programs: &Path,
        primary: &Self,
        superuser: &Config,
    ) -> Result<(Self, SocketAddr, Config)> {
        let server = Self::without_data(programs)?;
        let mut copy = Command::new("cp");
        copy.arg("-R").args([primary.guard.folder().join("data"), server.guard.folder().join("data")]);
        server.complete(COPY, &copy).await?;
        server.guard.write("data/standby.signal", "")?;
        let password = superuser.get_password().unwrap_or_default();
        let port = superuser.get_ports().first().copied().unwrap_or_default();
        let primary = format!(
            "host=127.0.0.1 port={port} user=postgres password={}",
            String::from_utf8_lossy(password)
        );
        let (address, superuser) = server.settle(password, &format!("primary_conninfo = '{primary}'\n"))?;
        Ok((server, address, superuser))
    }

    fn without_data(programs: &Path) -> Result<Self> {
        let (guard, authority) = (Guard::start(account::unprivileged()?)?, Authority::new()?);
        let identity = authority.server()?;
        guard.write("ca.crt", authority.certificate())?;
        guard.write("server.crt", identity.certificate)?;
        guard.write("server.key", identity.key)?;
        Ok(Self { programs: programs.to_owned(), guard, authority: Mutex::new(authority) })
    }

    /// Gives the server a port, and writes its settings. Returns its address and the superuser's configuration.
    fn settle(&self, password: &[u8], more: &str) -> Result<(SocketAddr, Config)> {
        let port = fresh::port()?;
        let settings = settings(self.guard.folder(), port) + more;
        self.guard.write("data/postgresql.auto.conf", settings)?;
        let mut superuser = Config::new();
        superuser.host(Ipv4Addr::LOCALHOST.to_string()).port(port).dbname("postgres");
        superuser.user("postgres").password(password);
        Ok((SocketAddr::from((Ipv4Addr::LOCALHOST, port)), superuser))
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

    /// Waits until a standby follows this server. It answers before that, and one that comes when this server is about to stop
    /// isn't served.
    pub(crate) async fn until_followed(&self, superuser: &Config) -> Result<()> {
        const FOLLOWED: &str = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        let is_followed = async || {
            let superuser = database::connect(superuser).await.map_err(|error| error.to_string())?;
            let row = superuser.query_one(FOLLOWED, &[]).await.map_err(|error| error.to_string())?;
            if row.get::<_, i64>(0) > 0 { Ok(()) } else { Err("no standby follows it".to_owned()) }
        };
        self.guard.until_ready(&[POSTGRES], LIMIT, is_followed).await
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
        self.complete(INITDB, &command).await
    }

    /// Runs a program to its end.
    async fn complete(&self, name: &str, program: &Command) -> Result<()> {
        self.guard.start_server(name, program, StopSignal::Terminate)?;
        match self.guard.until_exited(name, LIMIT).await?.as_str() {
            "0" => Ok(()),
            _ => self.guard.check_running(name),
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
