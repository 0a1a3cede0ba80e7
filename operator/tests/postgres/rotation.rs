//! Passwords, users and certificates that change while the operator runs.

use crate::support::{NoAnswer, claim, has_own_server, owner, server, spec, table};
use database_table_operator::{
    connection::Settings, database::Database, error::TableError, sqlstate::ErrorClass,
    status::ConditionReason,
};
use korf_sandbox::{self as sandbox, Certificate, Postgres};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder whose files are replaced as kubelet replaces those of a mounted Secret: all at once, by a link.
struct Mount(PathBuf);

impl Mount {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("korf-mount-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn replace(&self, version: u8, files: &[(&str, &[u8])]) {
        let folder = self.0.join(version.to_string());
        fs::create_dir(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        std::os::unix::fs::symlink(&folder, self.0.join("new")).unwrap();
        fs::rename(self.0.join("new"), self.0.join("data")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join("data").join(name)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A database, and the files of the operator's settings.
struct World {
    database: sandbox::Database,
    mount: Mount,
}

impl World {
    async fn new(name: &str) -> Self {
        Self::on(server().await, name).await
    }

    async fn on(server: &Postgres, name: &str) -> Self {
        Self { database: server.create_database(name).await.unwrap(), mount: Mount::new(name) }
    }

    fn by_file(&self) -> Database {
        let settings = Settings::read_file(&self.mount.path("url"), |_| None).unwrap();
        Database::new(settings.pool(2).unwrap())
    }

    /// Changes the role's password, and ends its connections.
    async fn change_password(&self, password: &str) {
        let superuser = self.database.connect_as_superuser().await.unwrap();
        let user = &self.database.user;
        superuser.batch_execute(&format!("ALTER ROLE \"{user}\" PASSWORD '{password}'")).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = $1";
        superuser.execute(end, &[user]).await.unwrap();
    }

    fn url(&self, password: &str) -> String {
        self.database.url().replace(&self.database.password, password)
    }
}

fn ca_of(server: &Postgres) -> Vec<u8> {
    fs::read(server.ca_certificate().unwrap()).unwrap()
}

async fn apply(tables: &Database, name: &str) -> Result<(), TableError> {
    let wanted = table(&spec(name, &[("a", "integer")]));
    tables.apply(&NoAnswer, &claim(owner(name)), &wanted).await.map(drop)
}

#[tokio::test]
async fn a_password_that_has_changed_is_read_from_the_url_file() {
    let world = World::new("url_file").await;
    world.mount.replace(1, &[("url", world.database.url().as_bytes())]);
    let tables = world.by_file();
    apply(&tables, "t1").await.unwrap();
    world.change_password("second").await;
    let error = apply(&tables, "t2").await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::PermissionDenied, "{error}");
    world.mount.replace(2, &[("url", world.url("second").as_bytes())]);
    apply(&tables, "t2").await.unwrap();
}

#[tokio::test]
async fn a_password_that_has_changed_is_read_from_the_password_file() {
    let world = World::new("password_file").await;
    let name = &world.database.name;
    let line = |password: &str| format!("*:*:{name}:{name}:{password}\n");
    world.mount.replace(1, &[("passwords", line(&world.database.password).as_bytes())]);
    let url = world.database.url().replace(&format!(":{}@", world.database.password), "@");
    let file = world.mount.path("passwords").to_str().unwrap().to_owned();
    let settings = Settings::read(Some(&url), |name| (name == "PGPASSFILE").then(|| file.clone())).unwrap();
    let tables = Database::new(settings.pool(2).unwrap());
    apply(&tables, "t1").await.unwrap();
    world.change_password("a:b\\c").await;
    world.mount.replace(2, &[("passwords", line("a\\:b\\\\c").as_bytes())]);
    apply(&tables, "t2").await.unwrap();

    world.mount.replace(3, &[("passwords", b"elsewhere:*:*:*:secret")]);
    world.change_password("third").await;
    let error = apply(&tables, "t3").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Environment);
    assert!(error.to_string().contains("a line of the password file fits"), "{error}");
}

#[tokio::test]
async fn what_works_goes_on_while_the_files_cannot_be_used() {
    let world = World::new("half_written").await;
    let url = world.database.url();
    world.mount.replace(1, &[("url", url.as_bytes())]);
    let tables = world.by_file();
    let unusable = [
        String::new(),
        "postgres://half_wr".to_owned(),
        url.replace(":", "%zz"),
        // Half a URL may be a whole one for another database, or for less of TLS.
        url.split_once("?").unwrap().0.to_owned(),
        url.replace(&format!("/{}?", world.database.name), "/postgres?"),
        url.replace(&world.database.address.ip().to_string(), "192.0.2.1"),
    ];
    for (content, version) in unusable.iter().zip(2..) {
        world.mount.replace(version, &[("url", content.as_bytes())]);
        world.change_password(&world.database.password).await;
        apply(&tables, &format!("t{version}")).await.unwrap_or_else(|error| panic!("{version}: {error}"));
    }
    fs::remove_file(world.mount.path("url")).unwrap();
    world.change_password(&world.database.password).await;
    apply(&tables, "t1").await.unwrap();
}

#[tokio::test]
async fn a_new_authority_is_read_for_each_connection() {
    if !has_own_server("its certificate can't be replaced") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let world = World::on(&server, "authority").await;
    world.mount.replace(1, &[("ca.crt", &ca_of(&server))]);
    let options = format!("sslmode=verify-full&sslrootcert={}", world.mount.path("ca.crt").display());
    let settings = Settings::read(Some(&world.database.url_with(&options)), |_| None).unwrap();
    let tables = Database::new(settings.pool(2).unwrap());
    apply(&tables, "t1").await.unwrap();
    server.replace_certificate(Certificate::Good).await.unwrap();
    let error = apply(&tables, "t2").await.unwrap_err();
    assert!(error.to_string().contains("set sslrootcert"), "{error}");
    world.mount.replace(2, &[("ca.crt", &ca_of(&server))]);
    apply(&tables, "t2").await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_accepted_is_no_outage() {
    if !has_own_server("its certificate can't be replaced") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let world = World::on(&server, "bad_certificate").await;
    for (certificate, hint) in [
        (Certificate::Expired, "has expired: renew it"),
        (Certificate::NotYetValid, "isn't valid yet: check the clocks"),
        (Certificate::OfAnotherHost, "is for other names"),
    ] {
        server.replace_certificate(certificate).await.unwrap();
        let ca = server.ca_certificate().unwrap();
        let connect = async |mode: &str| {
            let url = world.database.url_with(&format!("sslmode={mode}&sslrootcert={}", ca.display()));
            apply(&Database::new(Settings::read(Some(&url), |_| None).unwrap().pool(1).unwrap()), "t").await
        };
        let error = connect("verify-full").await.unwrap_err();
        let kind = (ErrorClass::Environment, ConditionReason::DatabaseUnavailable);
        assert_eq!((error.class(), error.reason()), kind, "{error}");
        assert!(error.to_string().contains(hint), "{error}");
        let any_host = connect("verify-ca").await;
        assert_eq!(any_host.is_ok(), certificate == Certificate::OfAnotherHost, "{any_host:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    if !has_own_server("a given server can't be stopped") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let world = World::on(&server, "client").await;
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let file: String = superuser.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    let lines = "host all postgres 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 cert";
    let write = format!("COPY (SELECT unnest(string_to_array('{lines}', chr(10)))) TO '{file}'");
    superuser.batch_execute(&write).await.unwrap();
    drop(superuser);
    server.stop().await.unwrap();
    server.resume().await.unwrap();
    let with = |identity: Option<&(PathBuf, PathBuf)>| {
        let shown = |path: &Path| path.display().to_string();
        let identity = identity
            .map(|(cert, key)| format!("&sslcert={}&sslkey={}", shown(cert), shown(key)))
            .unwrap_or_default();
        let url = world.database.url_with(&format!("sslmode=require{identity}"));
        Database::new(Settings::read(Some(&url), |_| None).unwrap().pool(1).unwrap())
    };
    let own = server.client_certificate("client").unwrap();
    let of_another = server.client_certificate("somebody").unwrap();
    apply(&with(Some(&own)), "t").await.unwrap();
    let unknown = Postgres::start().await.unwrap().client_certificate("client").unwrap();
    for identity in [None, Some(&of_another)] {
        let error = apply(&with(identity), "t").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Environment, "{error}");
    }
    // Its files are gone with their server.
    let url = format!("sslmode=require&sslcert={}&sslkey={}", unknown.0.display(), unknown.1.display());
    let error =
        Settings::read(Some(&world.database.url_with(&url)), |_| None).unwrap().pool(1).err().unwrap();
    assert!(error.to_string().starts_with("sslcert /"), "{error}");
}
