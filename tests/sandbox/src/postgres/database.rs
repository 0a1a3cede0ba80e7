//! A database for one test.

use std::net::SocketAddr;

use tokio_postgres::{Client, Config, NoTls};

use crate::{Error, Result};

/// A database with its owner, an ordinary role that can log in and has all permissions in this database only.
#[derive(Clone, Debug)]
pub struct Database {
    /// The name of the database.
    pub name: String,
    /// The owner's name, which is the same.
    pub user: String,
    /// The owner's password, of letters and digits.
    pub password: String,
    /// The server's address.
    pub address: SocketAddr,
    pub(crate) superuser: Config,
}

impl Database {
    /// The owner's URL, without TLS.
    pub fn url(&self) -> String {
        self.url_with("sslmode=disable")
    }

    /// The owner's URL with other parameters, such as `sslmode=require`.
    pub fn url_with(&self, parameters: &str) -> String {
        self.url_at(self.address, parameters)
    }

    /// The owner's URL through a proxy, without TLS.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        self.url_at(proxy, "sslmode=disable")
    }

    fn url_at(&self, address: SocketAddr, parameters: &str) -> String {
        let Self { name, user, password, .. } = self;
        format!("postgres://{user}:{password}@{address}/{name}?{parameters}")
    }

    /// Connects as the owner. The connection belongs to this tokio runtime.
    pub async fn connect(&self) -> Result<Client> {
        let mut owner = self.superuser.clone();
        owner.dbname(&self.name).user(&self.user).password(&self.password);
        connect(&owner).await
    }

    /// Connects to this database as the superuser, to inspect what the owner can't see, or to revoke
    /// permissions.
    pub async fn connect_as_superuser(&self) -> Result<Client> {
        connect(self.superuser.clone().dbname(&self.name)).await
    }
}

/// Connects, and spawns a task that drives the connection.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let connecting = format!("connect to the database {}", config.get_dbname().unwrap_or_default());
    let (client, connection) = config.connect(NoTls).await.map_err(Error::database(connecting))?;
    // Its error needs no handling here: the client's next statement fails.
    tokio::spawn(connection);
    Ok(client)
}
