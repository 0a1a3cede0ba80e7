//! Link: one database, and how it is reached.

use crate::{
    connection::{Names, Settings, SettingsError},
    database::{Common, Database},
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
    /// The number of the operator's own database, if it has one.
    own: Option<String>,
    pub(super) pool: Pool,
    /// What messages may repeat of the Secret.
    names: Names,
}

impl Link {
    /// The operator's own database.
    pub(super) fn own(settings: &Settings, pool: Pool, common: &Common) -> Self {
        Self {
            database: Arc::new(common.database(pool.clone(), None)),
            place: settings.place().into(),
            fingerprint: settings.fingerprint(),
            own: Some(settings.fingerprint()),
            pool,
            names: Names::default(),
        }
    }

    /// The database of a Secret, beside the operator's `own`, if it has one.
    pub(super) fn of_secret(
        secret: &SecretId,
        settings: &Settings,
        pool: Pool,
        common: &Common,
        own: Option<&Self>,
    ) -> Self {
        Self {
            database: Arc::new(common.database(pool.clone(), Some(secret.clone()))),
            place: secrets::place(secret),
            fingerprint: settings.fingerprint(),
            own: own.map(|own| own.fingerprint.clone()),
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

    /// Whether this is another database than the one whose number a status has. An earlier status has none if that is the operator's
    /// own, whichever it was then. Where there is none now, it may be any.
    pub fn is_another_than(&self, recorded: Option<&str>) -> bool {
        recorded.or(self.own.as_deref()) != Some(&self.fingerprint)
    }

    /// An error without what the Secret says.
    pub(super) fn hide_names(&self, error: TableError) -> TableError {
        error.map_message(|message| self.names.hide(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::read(Some(url), |_| None).unwrap()
    }

    fn links(own: Option<&str>, of_secret: &str) -> (Option<Link>, Link) {
        let pools = crate::pool::Pools::new(1);
        let common = Common::new(1, pools.metrics());
        let pool = |settings: &Settings| pools.pool(settings).unwrap();
        let own = own.map(settings).map(|own| Link::own(&own, pool(&own), &common));
        let secret =
            SecretId { namespace: "a".to_owned(), name: "b".to_owned(), key: None, is_foreign: false };
        let of_secret = settings(of_secret);
        let other = Link::of_secret(&secret, &of_secret, pool(&of_secret), &common, own.as_ref());
        (own, other)
    }

    #[test]
    fn a_status_tells_whether_the_table_is_in_another_database() {
        let (own, same) = links(Some("postgres://op@db/shop"), "postgres://app@db/shop");
        let (_, other) = links(Some("postgres://op@db/shop"), "postgres://app@db2/shop");
        let (_, alone) = links(None, "postgres://app@db/shop");
        let own = own.unwrap();
        let number = |link: &Link| Some(link.fingerprint.clone());
        let (of_same, of_other) = (number(&same), number(&other));
        for (link, recorded, moved) in [
            (&own, None, false),
            (&same, None, false),
            (&other, None, true),
            (&own, of_same.as_deref(), false),
            (&own, of_other.as_deref(), true),
            (&same, of_same.as_deref(), false),
            (&same, of_other.as_deref(), true),
            (&other, of_other.as_deref(), false),
            // The operator once had a database of its own, whatever that was.
            (&alone, None, true),
            (&alone, of_same.as_deref(), false),
            (&alone, of_other.as_deref(), true),
        ] {
            assert_eq!(link.is_another_than(recorded), moved, "{} {recorded:?}", link.place);
        }
        assert_eq!((number(&own), number(&alone)), (of_same.clone(), of_same));
    }
}
