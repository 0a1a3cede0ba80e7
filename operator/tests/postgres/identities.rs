//! Many ways to log in, each by a Secret: rotated, missing, away, and beside each other.

use crate::support::{
    Existing, NoAnswer, claim, dropped, has_own_server, owner, pooler, server, spec, table,
};
use database_table_operator::{
    api::ApiError,
    connection::{SecretData, Settings},
    connections::{Connections, Link, Purpose},
    error::{TableError, Wait},
    outcome::{Applied, Dropped},
    plan::Claim,
    secrets::{SecretId, Secrets},
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use futures::future::join_all;
use korf_sandbox::{Certificate, Database, Postgres, Proxy};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, time::Instant};

type Values = Vec<(String, Vec<u8>)>;

/// The Secrets of a cluster, by their names.
#[derive(Default)]
pub(crate) struct Vault {
    secrets: Mutex<BTreeMap<String, Values>>,
    reads: AtomicUsize,
    is_away: AtomicBool,
    is_denied: AtomicBool,
}

impl Vault {
    fn put(&self, name: &str, values: &[(&str, &str)]) {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        self.secrets.lock().unwrap().insert(name.to_owned(), values.collect());
    }

    fn remove(&self, name: &str) {
        self.secrets.lock().unwrap().remove(name);
    }
}

impl Secrets for Vault {
    async fn read(&self, secret: &SecretId) -> Result<Option<SecretData>, ApiError> {
        self.reads.fetch_add(1, SeqCst);
        if self.is_away.load(SeqCst) {
            return Err(ApiError::new("no answer"));
        }
        if self.is_denied.load(SeqCst) {
            let mut error = ApiError::new("secrets is forbidden");
            error.denied = true;
            return Err(error);
        }
        let found = self.secrets.lock().unwrap().get(&secret.name).cloned();
        Ok(found.map(|values| SecretData::new(values, secret.key.as_deref())))
    }
}

fn secret(name: &str) -> SecretId {
    SecretId { namespace: "shop".to_owned(), name: name.to_owned(), key: None, is_foreign: false }
}

/// An operator with a database of its own, and Secrets.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) connections: Connections,
    pub(crate) vault: Vault,
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        Self::on(server().await, name, 8).await
    }

    async fn on(server: &Postgres, name: &str, most: usize) -> Self {
        let database = server.create_database(name).await.unwrap();
        let settings = Settings::read(Some(&database.url()), |_| None).unwrap();
        let connections = Connections::new(Some(&settings), most, []).unwrap();
        Self { database, connections, vault: Vault::default() }
    }

    /// Puts a Secret that leads to a URL.
    pub(crate) fn put_url(&self, name: &str, url: &str) {
        self.vault.put(name, &[("uri", url)]);
    }

    pub(crate) async fn with<T, F: Future<Output = Result<T, TableError>>>(
        &self,
        name: &str,
        purpose: Purpose,
        work: impl Fn(Arc<Link>) -> F,
    ) -> Result<T, TableError> {
        self.connections.with(&self.vault, Some(&secret(name)), purpose, work).await
    }

    /// Makes a table by a Secret of the same name, or looks at it.
    async fn apply(&self, name: &str) -> Result<Applied, TableError> {
        self.apply_by(name, name).await
    }

    pub(crate) async fn apply_by(&self, secret: &str, name: &str) -> Result<Applied, TableError> {
        self.apply_for(secret, &claim(owner(name)), name).await
    }

    /// Makes a table for an object whose status says of its table what the claim does, and that it is in the operator's own
    /// database.
    async fn apply_for(&self, secret: &str, claim: &Claim, name: &str) -> Result<Applied, TableError> {
        let table = &table(&spec(name, &[("a", "integer")]));
        self.with(secret, Purpose::Apply, |link: Arc<Link>| async move {
            let claim = Claim { is_elsewhere: link.is_another_than(None), ..claim.clone() };
            link.database.apply(&NoAnswer, &claim, table).await
        })
        .await
    }

    async fn drop(&self, secret: &str, claim: &Claim) -> Result<Dropped, TableError> {
        self.with(secret, Purpose::Drop, |link: Arc<Link>| async move {
            let claim = Claim { is_elsewhere: link.is_another_than(None), ..claim.clone() };
            link.database.drop_table(&Existing("1-2-3"), &claim, None).await
        })
        .await
    }

    /// Roles that may make tables in the database, each with this password.
    async fn create_roles(&self, names: &[String], password: &str) {
        let superuser = self.database.connect_as_superuser().await.unwrap();
        for name in names {
            let sql = format!(
                "CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'; GRANT CREATE, USAGE ON SCHEMA public TO \"{name}\""
            );
            superuser.batch_execute(&sql).await.unwrap();
        }
    }
}

#[tokio::test]
async fn fifty_roles_share_eight_connections_and_work_again_at_once_after_their_passwords_were_rotated() {
    if pooler().is_some() {
        return; // The pooler doesn't know the roles.
    }
    let world = World::new("fifty_roles").await;
    let names: Vec<_> = (0..50).map(|number| format!("{}_{number}", world.database.name)).collect();
    world.create_roles(&names, "first").await;
    for name in &names {
        world.vault.put(name, &[("username", name), ("password", "first")]);
    }
    let all = async || {
        for result in join_all(names.iter().map(|name| world.apply(name))).await {
            result.unwrap();
        }
    };
    all().await;
    let counts = world.connections.pools().counts();
    assert!(counts.used == 0 && (1..=8).contains(&counts.idle) && counts.limit == 8, "{counts:?}");
    assert_eq!(world.vault.reads.load(SeqCst), 50, "each Secret is read once");

    let superuser = world.database.connect_as_superuser().await.unwrap();
    for name in &names {
        superuser.batch_execute(&format!("ALTER ROLE \"{name}\" PASSWORD 'second'")).await.unwrap();
        world.vault.put(name, &[("username", name), ("password", "second")]);
    }
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = ANY($1)";
    superuser.execute(end, &[&names]).await.unwrap();
    let rotated = Instant::now();
    all().await;
    println!("50 roles work again {:?} after their passwords were rotated", rotated.elapsed());
    assert!(rotated.elapsed() < Duration::from_secs(60), "{:?}", rotated.elapsed());
    assert_eq!(world.vault.reads.load(SeqCst), 100, "and once after its password was rejected");
}

/// A server that takes connections and never says anything, by its address, and the number of connections to it so far.
async fn silent_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let accepted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = listener.accept().await {
            kept.push(connection);
            accepted.fetch_add(1, SeqCst);
        }
    });
    (address, count)
}

/// Everything that a database can do to its objects, but to answer.
#[tokio::test]
async fn databases_that_are_away_silent_or_stuck_keep_nobody_else_waiting() {
    let world = World::new("beside_others").await;
    let url = world.database.url();
    let address = world.database.address.to_string();
    let (silent, asked) = silent_server().await;
    let proxy = Proxy::to(world.database.address).await.unwrap();
    world.put_url("good", &url);
    world.put_url("away", &url.replace(&address, "127.0.0.1:1"));
    world.put_url("silent", &format!("{}&connect_timeout=8", url.replace(&address, &silent)));
    world.put_url("stuck", &world.database.url_through(proxy.address()));
    let stuck: Vec<_> = (0..8).map(|number| format!("stuck_{number}")).collect();
    for result in join_all(stuck.iter().map(|name| world.apply_by("stuck", name))).await {
        result.unwrap();
    }
    world.apply("good").await.unwrap();
    proxy.stall();
    let world = Arc::new(world);
    let others: Vec<_> = ["silent", "stuck", "away"]
        .into_iter()
        .flat_map(|secret| (0..20).map(move |number| (secret, format!("{secret}_{number}"))))
        .map(|(secret, name)| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.apply_by(secret, &name).await.map(drop) })
        })
        .collect();
    // Until they are at it.
    while world.connections.pools().counts().used == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    for number in 0..20 {
        world.apply_by("good", &format!("good_{number}")).await.unwrap();
    }
    // One without a place would wait for thirty seconds.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    proxy.restore();
    for other in others {
        let result = other.await.unwrap();
        assert!(
            result.as_ref().err().is_none_or(|error| error.class() == ErrorClass::Temporary),
            "{result:?}"
        );
    }
    // While one of its objects tries to connect, which takes eight seconds, the others don't wait for it.
    let before = asked.load(SeqCst);
    let trying = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.apply("silent").await.map(drop) })
    };
    while asked.load(SeqCst) == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    let error = world.apply_by("silent", "silent_too").await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((error.reason(), error.wait()), (ConditionReason::DatabaseUnavailable, Wait::ForDatabase));
    trying.abort();
}

#[tokio::test]
async fn nobody_uses_what_another_secret_s_password_has_opened() {
    let world = World::new("no_sharing").await;
    world.put_url("right", &world.database.url());
    world.put_url("wrong", &world.database.url().replace(&world.database.password, "Geheim42"));
    world.apply("right").await.unwrap();
    let error = world.apply("wrong").await.unwrap_err();
    assert_eq!((error.reason(), error.wait()), (ConditionReason::PermissionDenied, Wait::ForSomeone));
    let message = error.to_string();
    let name = &world.database.name;
    assert!(!message.contains("Geheim42") && !message.contains(name.as_str()), "{message}");
    world.apply("right").await.unwrap();
}

#[tokio::test]
async fn a_new_authority_and_a_new_certificate_are_taken_from_the_secret() {
    if !has_own_server("its certificate can't be replaced") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let world = World::on(&server, "authorities", 4).await;
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let put = || {
        let (cert, key) = server.client_certificate("authorities").unwrap();
        let ca = read(&server.ca_certificate().unwrap());
        let Database { user, password, address, .. } = &world.database;
        world.vault.put(
            "tls",
            &[
                ("username", user),
                ("password", password),
                ("host", &address.ip().to_string()),
                ("port", &address.port().to_string()),
                ("ca.crt", &ca),
                ("tls.crt", &read(&cert)),
                ("tls.key", &read(&key)),
            ],
        );
    };
    put();
    world.apply("tls").await.unwrap();
    server.replace_certificate(Certificate::Good).await.unwrap();
    let error = world.apply("tls").await.unwrap_err();
    assert!(error.to_string().contains("set sslrootcert"), "{error}");
    put();
    world.apply("tls").await.unwrap();
}

#[tokio::test]
async fn a_table_stays_in_its_database_when_the_secret_leads_to_another_one() {
    let world = World::new("left_database").await;
    let other = server().await.create_database("other_database").await.unwrap();
    world.put_url("here", &world.database.url());
    world.put_url("elsewhere", &other.url());
    let applied = world.apply_by("here", "moving").await.unwrap();
    let recorded = Claim { table: Some(applied.table), ..claim(owner("moving")) };
    world.apply_for("here", &recorded, "moving").await.unwrap();
    for error in [
        world.apply_for("elsewhere", &recorded, "moving").await.unwrap_err(),
        world.drop("elsewhere", &recorded).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.reason(), error.wait()),
            (ConditionReason::DatabaseChanged, Wait::ForSomeone),
            "{error}"
        );
    }
    let sql = other.connect().await.unwrap();
    let exists = "SELECT to_regclass('moving') IS NOT NULL";
    assert!(!sql.query_one(exists, &[]).await.unwrap().get::<_, bool>(0), "nothing was made there");
    // Moved with its comment, as a dump does, it goes on there.
    let comment = "SELECT obj_description('moving'::regclass)";
    let here = world.database.connect().await.unwrap();
    let comment: String = here.query_one(comment, &[]).await.unwrap().get(0);
    sql.batch_execute(&format!("CREATE TABLE moving (a integer); COMMENT ON TABLE moving IS '{comment}'"))
        .await
        .unwrap();
    world.apply_for("elsewhere", &recorded, "moving").await.unwrap();
    assert_eq!(world.drop("elsewhere", &recorded).await.unwrap(), dropped("public.moving"));
}

async fn end_connections(database: &Database) {
    let superuser = database.connect_as_superuser().await.unwrap();
    let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1";
    superuser.execute(end, &[&database.user]).await.unwrap();
}

#[tokio::test]
async fn an_object_s_table_is_found_by_another_way_to_the_same_database() {
    if pooler().is_some() {
        return;
    }
    let world = World::new("two_ways").await;
    let role = format!("{}_too", world.database.name);
    world.create_roles(std::slice::from_ref(&role), "pw").await;
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let set_up = format!(
        "CREATE SCHEMA mine AUTHORIZATION \"{role}\"; GRANT \"{}\" TO \"{role}\"",
        world.database.user
    );
    superuser.batch_execute(&set_up).await.unwrap();
    let uri = "postgres://?options=-c%20search_path%3Dmine";
    world.vault.put("too", &[("uri", uri), ("username", &role), ("password", "pw")]);
    // It has read all comments before the table is made.
    world.apply_by("too", "first").await.unwrap();
    let wanted = &table(&spec("t", &[("a", "integer")]));
    let apply =
        |link: Arc<Link>| async move { link.database.apply(&NoAnswer, &claim(owner("a")), wanted).await };
    let made = world.connections.with(&world.vault, None, Purpose::Apply, apply).await.unwrap();
    assert_eq!(made.table, "public.t");
    let same = world.with("too", Purpose::Apply, apply).await.unwrap();
    assert_eq!(same.table, "public.t");
}

#[tokio::test]
async fn a_secret_that_is_gone_keeps_tables_from_changes_and_not_from_being_dropped() {
    let world = World::new("gone_secret").await;
    let proxy = Proxy::to(world.database.address).await.unwrap();
    world.put_url("there", &world.database.url_through(proxy.address()));
    let applied = world.apply_by("there", "t1").await.unwrap();
    world.vault.remove("there");
    proxy.cut();
    // It is asked for again, because its database can't be reached.
    let error = world.apply_by("there", "t1").await.unwrap_err();
    assert_eq!((error.reason(), error.wait()), (ConditionReason::SecretMissing, Wait::ForSomeone), "{error}");
    let recorded = Claim { table: Some(applied.table), ..claim(owner("t1")) };
    let error = world.drop("there", &recorded).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::DatabaseUnavailable, "{error}");
    proxy.restore();
    assert_eq!(world.apply_by("there", "t1").await.unwrap_err().reason(), ConditionReason::SecretMissing);
    // The number of the proxy's database isn't that of the operator's own, where the status says that the table is.
    assert_eq!(world.drop("there", &recorded).await.unwrap(), dropped("public.t1"));
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_any_more_keeps_tables_from_changes_and_not_from_being_dropped() {
    let world = World::new("denied_secret").await;
    world.put_url("there", &world.database.url());
    let applied = world.apply_by("there", "t1").await.unwrap();
    // As where a namespace is deleted: its Roles may go before its objects.
    world.vault.is_denied.store(true, SeqCst);
    world.connections.expire("shop", "there");
    let error = world.apply_by("there", "t1").await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::PermissionDenied, "{error}");
    let recorded = Claim { table: Some(applied.table), ..claim(owner("t1")) };
    assert_eq!(world.drop("there", &recorded).await.unwrap(), dropped("public.t1"));
    // One that was never read says nothing.
    let error = world.drop("unknown", &recorded).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.wait()),
        (ConditionReason::PermissionDenied, Wait::ForSomeone),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_that_is_missing_incomplete_or_wrong_is_told_and_read_again_after_a_second() {
    let world = World::new("wrong_secret").await;
    let told = async |reason: ConditionReason, class: ErrorClass, message: &str| {
        let error = world.apply_by("wrong", "t").await.unwrap_err();
        assert_eq!(
            (error.reason(), error.class(), error.wait()),
            (reason, class, Wait::ForSomeone),
            "{error}"
        );
        assert_eq!(error.to_string(), message);
        // A sleep, because this time is what is tested.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    };
    let missing = "Secret shop/wrong doesn't exist: create it, or correct spec.connectionSecretRef";
    told(ConditionReason::SecretMissing, ErrorClass::Environment, missing).await;
    world.vault.put("wrong", &[("username", "eva")]);
    told(ConditionReason::SecretMissing, ErrorClass::Environment, "Secret shop/wrong has no key password")
        .await;
    world.vault.put("wrong", &[("username", "eva"), ("password", "Geheim42"), ("host", "/run/Geheim42")]);
    let socket =
        "Secret shop/wrong names a socket as the host, which only the operator's own database can have";
    told(ConditionReason::SecretInvalid, ErrorClass::Environment, socket).await;
    world.put_url("wrong", &world.database.url());
    world.apply_by("wrong", "t").await.unwrap();
}

#[tokio::test]
async fn while_the_api_server_is_away_what_a_secret_said_before_goes_on() {
    let world = World::new("api_away").await;
    world.put_url("known", &world.database.url());
    world.apply_by("known", "t1").await.unwrap();
    world.vault.is_away.store(true, SeqCst);
    end_connections(&world.database).await;
    world.apply_by("known", "t2").await.unwrap();
    let error = world.apply_by("unknown", "t3").await.unwrap_err();
    assert_eq!(
        (error.reason(), error.wait()),
        (ConditionReason::ClusterUnavailable, Wait::ForApiServer),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_of_another_namespace_is_used_only_if_that_is_allowed() {
    let world = World::new("foreign_secret").await;
    world.put_url("foreign", &world.database.url());
    let foreign = SecretId { namespace: "bank".to_owned(), is_foreign: true, ..secret("foreign") };
    let settings = Settings::read(Some(&world.database.url()), |_| None).unwrap();
    let allowing = Connections::new(Some(&settings), 8, ["bank".to_owned()]).unwrap();
    for (connections, is_allowed) in [(&world.connections, false), (&allowing, true)] {
        let done = connections.with(&world.vault, Some(&foreign), Purpose::Apply, |_| async { Ok(()) }).await;
        assert_eq!(done.is_ok(), is_allowed, "{done:?}");
        if let Err(error) = done {
            assert_eq!((error.reason(), error.wait()), (ConditionReason::InvalidSpec, Wait::ForSpec));
            assert!(error.to_string().contains("--allow-secrets-of=bank"), "{error}");
        }
    }
    assert_eq!(world.vault.reads.load(SeqCst), 1, "the other one isn't even read");
}

#[tokio::test]
async fn connections_that_nobody_has_used_for_minutes_are_closed_and_their_secrets_are_forgotten() {
    let world = World::new("unused").await;
    world.put_url("seldom", &world.database.url());
    let idle = || world.connections.pools().counts().idle;
    world.apply("seldom").await.unwrap();
    assert_eq!(idle(), 1);
    for (seconds, left, reads) in [(299, 1, 1), (301, 0, 1), (3601, 0, 2)] {
        world.connections.sweep(Instant::now() + Duration::from_secs(seconds));
        assert_eq!(idle(), left, "{seconds}");
        world.apply("seldom").await.unwrap();
        assert_eq!(world.vault.reads.load(SeqCst), reads, "{seconds}");
    }
}

#[tokio::test]
async fn connections_by_settings_of_before_are_closed() {
    let world = World::new("old_settings").await;
    let settings = |name: &str| {
        let url = world.database.url_with(&format!("sslmode=disable&application_name={name}"));
        Settings::read(Some(&url), |_| None).unwrap()
    };
    let pool = settings("old").pool(2).unwrap();
    let (idle, used) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    drop(idle);
    pool.replace(&settings("new")).unwrap();
    assert_eq!((pool.counts().idle, pool.counts().used), (0, 1));
    drop(used);
    assert_eq!((pool.counts().idle, pool.counts().used), (0, 0));
    let row = pool.get().await.unwrap().query_one("SHOW application_name", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "new");
}

#[tokio::test]
async fn looks_for_drift_leave_no_connection_by_a_secret_open_and_leave_out_a_database_that_is_away() {
    let world = World::new("drift_secrets").await;
    let proxy = Proxy::to(world.database.address).await.unwrap();
    world.put_url("near", &world.database.url());
    world.put_url("far", &world.database.url_through(proxy.address()));
    for name in ["near", "far"] {
        world.apply(name).await.unwrap();
    }
    // As after five minutes without use.
    world.connections.sweep(Instant::now() + Duration::from_secs(301));
    let look = async || {
        let called = Mutex::new(Vec::new());
        let call = |namespace: &str, name: &str| called.lock().unwrap().push(format!("{namespace}/{name}"));
        world.connections.look_for_drift(&world.vault, &call).await;
        called.into_inner().unwrap()
    };
    let open = || world.connections.pools().counts().idle;
    assert_eq!((look().await, open()), (vec![], 0));
    let sql = world.database.connect().await.unwrap();
    sql.batch_execute("DROP TABLE near, far").await.unwrap();
    proxy.cut();
    assert_eq!(look().await, ["shop/near"]);
    proxy.restore();
    assert_eq!((look().await, open()), (vec!["shop/far".to_owned()], 0));
    assert_eq!(look().await, [""; 0], "no object has been planned for since");
}
