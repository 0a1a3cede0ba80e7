//! Link: one database, and how it is reached.

use crate::{
    connection::{Settings, SettingsError},
    database::Database,
    error::TableError,
    pool::Pool,
    secrets::{self, SecretId},
};
use std::sync::Arc;

/// A database, and how it is reached.
#[derive(Debug)]
pub struct Link {
    /// What is done there.
    pub database: Arc<Database>,
    /// The database in words, for messages.
    pub place: Arc<str>,
    /// The number of the database, by its address and its name.
    pub fingerprint: String,
    /// The number of the operator's own database, if this one is reached by a Secret.
    own: Option<String>,
    pub(super) pool: Pool,
    /// What messages may repeat of the Secret.
    names: Vec<String>,
}

impl Link {
    /// The operator's own database.
    pub(super) fn own(settings: &Settings, pool: Pool) -> Self {
        Self {
            database: Arc::new(Database::new(pool.clone())),
            place: settings.place().into(),
            fingerprint: settings.fingerprint(),
            own: None,
            pool,
            names: Vec::new(),
        }
    }

    /// The database of a Secret.
    pub(super) fn of_secret(secret: &SecretId, settings: &Settings, pool: Pool, own: &Self) -> Self {
        Self {
            database: Arc::new(own.database.beside(pool.clone(), Some(secret.clone()))),
            place: secrets::place(secret),
            fingerprint: settings.fingerprint(),
            own: Some(own.fingerprint.clone()),
            pool,
            names: settings.names(),
        }
    }

    /// The same database by other settings: its pool goes on by these.
    pub(super) fn by(&self, settings: &Settings) -> Result<Self, SettingsError> {
        self.pool.replace(settings)?;
        Ok(Self {
            database: Arc::clone(&self.database),
            place: Arc::clone(&self.place),
            fingerprint: self.fingerprint.clone(),
            own: self.own.clone(),
            pool: self.pool.clone(),
            names: settings.names(),
        })
    }

    /// Its connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the status of an object says of its database: nothing, if it is the operator's own.
    pub fn recorded(&self) -> Option<String> {
        self.own.as_ref().map(|_| self.fingerprint.clone())
    }

    /// Whether this is another database than the one that a status says this of.
    pub fn is_another_than(&self, recorded: Option<&str>) -> bool {
        match (recorded, &self.own) {
            (Some(recorded), _) => recorded != self.fingerprint,
            (None, Some(own)) => *own != self.fingerprint,
            (None, None) => false,
        }
    }

    /// An error without what the Secret says.
    pub(super) fn hide_names(&self, error: TableError) -> TableError {
        error.map_message(|message| self.hide(message))
    }

    fn hide(&self, message: String) -> String {
        self.names.iter().fold(message, |message, name| message.replace(name, "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::read(Some(url), |_| None).unwrap()
    }

    fn links(own: &str, of_secret: &str) -> [Link; 2] {
        let [own, of_secret] = [own, of_secret].map(settings);
        let pools = crate::pool::Pools::new(1);
        let pool = |settings: &Settings| pools.pool(settings).unwrap();
        let link = Link::own(&own, pool(&own));
        let secret =
            SecretId { namespace: "a".to_owned(), name: "b".to_owned(), key: None, is_foreign: false };
        let other = Link::of_secret(&secret, &of_secret, pool(&of_secret), &link);
        [link, other]
    }

    #[test]
    fn a_status_tells_whether_the_table_is_in_another_database() {
        let [own, same] = links("postgres://op@db/shop", "postgres://app@db/shop");
        let [_, other] = links("postgres://op@db/shop", "postgres://app@db2/shop");
        let (of_same, of_other) = (same.recorded(), other.recorded());
        for (link, recorded, moved) in [
            (&own, None, false),
            (&same, None, false),
            (&other, None, true),
            (&own, of_same.as_deref(), false),
            (&own, of_other.as_deref(), true),
            (&same, of_same.as_deref(), false),
            (&same, of_other.as_deref(), true),
            (&other, of_other.as_deref(), false),
        ] {
            assert_eq!(link.is_another_than(recorded), moved, "{} {recorded:?}", link.place);
        }
        assert_eq!(own.recorded(), None);
    }

    #[test]
    fn what_a_secret_says_is_in_no_message() {
        let [_, link] = links("postgres://op@db/shop", "postgres://eva:pw@secret.host:5,x:6/bank");
        for (message, hidden) in [
            ("role \"eva\" does not exist in \"bank\"", "role … does not exist in …"),
            ("secret.host:5 (10.0.0.1): timed out", "… (10.0.0.1): timed out"),
            ("not valid for name \"secret.host\"", "not valid for name …"),
            ("an evaluation of eva in x", "an evaluation of eva in x"),
        ] {
            assert_eq!(link.hide(message.to_owned()), hidden);
        }
    }
}
