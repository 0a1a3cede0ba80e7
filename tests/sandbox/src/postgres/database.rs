//! One test's database.

use std::net::SocketAddr;

use tokio_postgres::{Client, Config, NoTls};

use crate::{Error, Result};

/// A database with an owner, an ordinary role that may log in and do what it likes in this database only.
#[derive(Clone, Debug)]
pub struct Database {
    /// The database's name.
    pub name: String,
    /// The owner's name: the same.
    pub user: String,
    /// The owner's password: letters and digits.
    pub password: String,
    /// The server.
    pub address: SocketAddr,
    pub(crate) superuser: Config,
}

impl Database {
    /// The owner's URL, without TLS.
    pub fn url(&self) -> String {
        self.url_with("sslmode=disable")
    }

    /// The owner's URL with parameters of your own, such as `sslmode=require`.
    pub fn url_with(&self, parameters: &str) -> String {
        self.url_at(self.address, parameters)
    }

    /// The owner's URL by way of a proxy, without TLS.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        self.url_at(proxy, "sslmode=disable")
    }

    fn url_at(&self, address: SocketAddr, parameters: &str) -> String {
        let Self { name, user, password, .. } = self;
        format!("postgres://{user}:{password}@{address}/{name}?{parameters}")
    }

    /// Connects as the owner; the connection lives on this tokio runtime.
    pub async fn connect(&self) -> Result<Client> {
        let mut owner = self.superuser.clone();
        owner.dbname(&self.name).user(&self.user).password(&self.password);
        connect(&owner).await
    }

    /// Connects to this database as the superuser, to look behind the owner's back or take rights away.
    pub async fn connect_as_superuser(&self) -> Result<Client> {
        connect(self.superuser.clone().dbname(&self.name)).await
    }
}

/// Connects, and lets the runtime drive the connection.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let connecting = format!("connecting to the database {}", config.get_dbname().unwrap_or_default());
    let (client, connection) = config.connect(NoTls).await.map_err(Error::database(connecting))?;
    // How it ends concerns the client, who hears of it by its next statement.
    tokio::spawn(connection);
    Ok(client)
}
