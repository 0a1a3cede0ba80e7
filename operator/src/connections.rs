//! Connections: the operator's own database, if it has one, and those that objects reach by Secrets.
//!
//! A Secret is read when it is first needed, then at most once a minute while it is used, after each change if Secrets are
//! [watched](crate::secret_watch), and whenever its database can't be used: a new password, address or certificate takes effect with the next attempt, which is made at once. Connections by what
//! the Secret had before are closed.
//!
//! Each Secret has a pool of its own, and no two share connections: one who knows less than the password must not use what
//! another one has opened with it. All pools share the operator's connections ([`pool`](crate::pool)).

mod link;

use crate::{
    connection::{SecretData, Settings, SettingsError},
    database::Common,
    drift::Watch,
    error::TableError,
    pool::Pools,
    secrets::{self, SecretError, SecretId, Secrets},
};
pub use link::Link;
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{task::spawn_blocking, time::Instant};

/// The time after which a Secret that is used is read again.
const FRESH: Duration = Duration::from_secs(60);
/// The same for one that can't be used.
const FRESH_FAULT: Duration = Duration::from_secs(1);
/// The time without use after which the connections by a Secret are closed.
const UNUSED: Duration = Duration::from_secs(300);
/// The time without use after which a Secret is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// The time between two looks at what is unused.
const SWEEP: Duration = Duration::from_secs(60);

/// All databases of the operator. Its clones are the same.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

/// Connections as long as somebody else has them.
pub(crate) struct WeakConnections(Weak<Shared>);

impl WeakConnections {
    pub(crate) fn upgrade(&self) -> Option<Connections> {
        self.0.upgrade().map(Connections)
    }
}

struct Shared {
    pools: Pools,
    common: Common,
    own: Option<Own>,
    /// The namespaces whose Secrets may be used from others.
    allowed: BTreeSet<String>,
    secrets: Mutex<HashMap<SecretId, Arc<Entry>>>,
    is_swept: AtomicBool,
    is_watched: AtomicBool,
}

/// The operator's own database.
struct Own {
    settings: Settings,
    link: Arc<Link>,
}

/// A Secret, and the database that it leads to.
struct Entry {
    used: Mutex<Instant>,
    /// It has changed since it was read.
    is_stale: AtomicBool,
    known: tokio::sync::Mutex<Known>,
}

/// What is known of a Secret.
#[derive(Default)]
struct Known {
    /// When it was read, and what it leads to.
    read: Option<(Instant, Result<(), SecretError>)>,
    /// The last content that could be used, and what it leads to.
    usable: Option<(SecretData, Arc<Link>)>,
}

/// What is done with a table: what is allowed depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is created or updated.
    Apply,
    /// It is dropped: by what the Secret said last, if that is gone, or the right to read it: when a namespace is deleted, Roles and
    /// Secrets may go before the objects.
    Drop,
}

impl Connections {
    /// The operator's own database by these settings, if it is to have one, and at most so many connections to this and all others.
    /// Objects of all namespaces may use the Secrets of the `allowed` ones.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a file that the settings name can't be read.
    pub fn new(
        own: Option<&Settings>,
        most: usize,
        allowed: impl IntoIterator<Item = String>,
    ) -> Result<Self, SettingsError> {
        let pools = Pools::new(most);
        let common = Common::new(most, pools.metrics());
        let own = own.map(|settings| {
            let link = Link::own(settings, pools.pool(settings)?, &common);
            Ok(Own { settings: settings.clone(), link: Arc::new(link) })
        });
        let own = own.transpose()?;
        Ok(Self(Arc::new(Shared {
            pools,
            common,
            own,
            allowed: allowed.into_iter().collect(),
            secrets: Mutex::default(),
            is_swept: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
        })))
    }

    /// The operator's own database, if it has one.
    pub fn own(&self) -> Option<&Arc<Link>> {
        self.0.own.as_ref().map(|own| &own.link)
    }

    /// The tables of all databases that are looked at.
    pub fn watch(&self) -> &Watch {
        self.0.common.watch()
    }

    /// Lets go of an object whose table stays.
    pub fn let_go(&self, namespace: &str, name: &str) {
        self.0.common.let_go(namespace, name);
    }

    /// The pools of all databases.
    pub fn pools(&self) -> &Pools {
        &self.0.pools
    }

    /// The words for the database of a Secret, or for the operator's own.
    pub fn place(&self, secret: Option<&SecretId>) -> Arc<str> {
        match (secret, self.own()) {
            (Some(secret), _) => secrets::place(secret),
            (None, Some(own)) => Arc::clone(&own.place),
            (None, None) => "the operator's own database".into(),
        }
    }

    /// Works with the database of a Secret, or with the operator's own. If it can't be used, and the Secret has changed, once
    /// more.
    ///
    /// # Errors
    ///
    /// Those of the work, [`SecretError`], and [`TableError::NoDatabase`].
    pub async fn with<T, F>(
        &self,
        secrets: &impl Secrets,
        secret: Option<&SecretId>,
        purpose: Purpose,
        work: impl Fn(Arc<Link>) -> F,
    ) -> Result<T, TableError>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let Some(secret) = secret else {
            return work(Arc::clone(self.own().ok_or(TableError::NoDatabase)?)).await;
        };
        if secret.is_foreign && !self.0.allowed.contains(&secret.namespace) {
            return Err(SecretError::NotAllowed(secret.clone()).into());
        }
        let begun = Instant::now();
        let link = self.link(secrets, secret, purpose, None).await?;
        let error = match work(Arc::clone(&link)).await {
            Err(error) if error.is_of_the_server() => error,
            result => return result.map_err(|error| link.hide_names(error)),
        };
        match self.link(secrets, secret, purpose, Some(begun)).await {
            Ok(newer) if !Arc::ptr_eq(&newer, &link) => {
                work(Arc::clone(&newer)).await.map_err(|error| newer.hide_names(error))
            }
            Err(error) if !error.is_of_api_server() => Err(error.into()),
            _ => Err(link.hide_names(error)),
        }
    }

    /// The database that a Secret leads to, as it was read `since`, or a while ago.
    async fn link(
        &self,
        secrets: &impl Secrets,
        secret: &SecretId,
        purpose: Purpose,
        since: Option<Instant>,
    ) -> Result<Arc<Link>, SecretError> {
        self.sweep_from_time_to_time();
        let entry = self.entry(secret);
        // One reads for all.
        let mut known = entry.known.lock().await;
        if entry.is_stale.swap(false, Ordering::SeqCst) {
            known.read = None;
        }
        if !known.is_fresh(Instant::now(), since) {
            self.read(secrets, secret, &mut known).await;
        }
        let usable = || known.usable.as_ref().map(|(_, link)| Arc::clone(link));
        match &known.read {
            Some((_, Err(error))) => {
                let goes_on = purpose == Purpose::Drop || error.is_of_api_server();
                usable().filter(|_| goes_on).ok_or_else(|| error.clone())
            }
            _ => usable().ok_or_else(|| SecretError::Missing(secret.clone())),
        }
    }

    async fn read(&self, secrets: &impl Secrets, secret: &SecretId, known: &mut Known) {
        let read = match secrets.read(secret).await {
            Ok(Some(data)) => self.take_in(secret, data, known).await,
            Ok(None) => Err(SecretError::Missing(secret.clone())),
            Err(error) => Err(SecretError::Unreadable { secret: secret.clone(), error }),
        };
        // A Secret that may not be used leaves no connections behind.
        if read.as_ref().is_err_and(|error| !error.is_of_api_server())
            && let Some((_, link)) = &known.usable
        {
            link.pool.close_idle();
        }
        known.read = Some((Instant::now(), read));
    }

    /// Takes in what a Secret has now.
    async fn take_in(
        &self,
        secret: &SecretId,
        data: SecretData,
        known: &mut Known,
    ) -> Result<(), SecretError> {
        let before = known.usable.as_ref();
        if before.is_some_and(|(usable, _)| *usable == data) {
            return Ok(());
        }
        let unusable = |fault| SecretError::Unusable { secret: secret.clone(), fault };
        let own = self.0.own.as_ref().map(|own| &own.settings);
        let settings = Settings::of_secret(&data, own).map_err(unusable)?;
        let (shared, before) = (Arc::clone(&self.0), before.map(|(_, link)| Arc::clone(link)));
        let of = secret.clone();
        // It reads the operator's own file with authorities, perhaps.
        let made = spawn_blocking(move || match before {
            Some(before) if before.fingerprint == settings.fingerprint() => before.by(&settings),
            _ => {
                let (pool, own) = (shared.pools.pool(&settings)?, shared.own.as_ref().map(|own| &*own.link));
                Ok(Link::of_secret(&of, &settings, pool, &shared.common, own))
            }
        });
        let link = match made.await {
            Ok(made) => made.map_err(|error| unusable(error.into()))?,
            // The process is about to end.
            Err(_) => return Err(SecretError::Missing(secret.clone())),
        };
        known.usable = Some((data, Arc::new(link)));
        Ok(())
    }

    fn entry(&self, secret: &SecretId) -> Arc<Entry> {
        let now = Instant::now();
        let mut secrets = self.secrets();
        let entry = secrets.entry(secret.clone()).or_insert_with(|| {
            let (used, is_stale) = (Mutex::new(now), AtomicBool::new(false));
            Arc::new(Entry { used, is_stale, known: tokio::sync::Mutex::default() })
        });
        *entry.used() = now;
        Arc::clone(entry)
    }

    fn secrets(&self) -> MutexGuard<'_, HashMap<SecretId, Arc<Entry>>> {
        self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in that a Secret has changed: it is read again at its next use.
    pub fn expire(&self, namespace: &str, name: &str) {
        for (secret, entry) in self.secrets().iter() {
            if secret.namespace == namespace && secret.name == name {
                entry.is_stale.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Closes connections that nobody has used for five minutes by `now`, and forgets Secrets that nobody has for an hour.
    pub fn sweep(&self, now: Instant) {
        self.secrets().retain(|_, entry| {
            let unused = now.saturating_duration_since(*entry.used());
            if unused >= UNUSED
                && let Ok(known) = entry.known.try_lock()
                && let Some((_, link)) = &known.usable
            {
                link.pool.close_idle();
            }
            unused < FORGOTTEN
        });
    }

    /// The first caller looks at the tables from now on, as long as there are the connections.
    pub(crate) fn begin_to_watch(&self) -> Option<WeakConnections> {
        let is_first = !self.0.is_watched.swap(true, Ordering::Relaxed);
        is_first.then(|| WeakConnections(Arc::downgrade(&self.0)))
    }

    /// From the first use of a Secret on, until nobody has the connections.
    fn sweep_from_time_to_time(&self) {
        if self.0.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(shared) = Weak::upgrade(&shared) else { return };
                Self(shared).sweep(Instant::now());
            }
        });
    }
}

impl Entry {
    fn used(&self) -> MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether what was read still counts: it was read `since`, or a while ago.
    fn is_fresh(&self, now: Instant, since: Option<Instant>) -> bool {
        let Some((read, result)) = &self.read else { return false };
        let longest = if result.is_ok() { FRESH } else { FRESH_FAULT };
        since.is_none_or(|since| *read > since) && now.saturating_duration_since(*read) < longest
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
