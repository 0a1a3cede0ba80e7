use crate::support::{NoAnswer, World, claim, has_own_server, owner, server, spec, table};
use database_table_operator::{
    connection::Settings, database::Database, error::TableError, sqlstate::ErrorClass,
    status::ConditionReason,
};
use korf_sandbox::Postgres;
use tokio::{io::AsyncWriteExt, net::TcpListener};

/// Whether a connection by this URL is encrypted, or why there is none.
async fn encrypted(url: &str) -> Result<bool, TableError> {
    let pool = Settings::read(Some(url), |_| None).unwrap().pool(1).unwrap();
    let client = pool.get().await?;
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

#[tokio::test]
async fn each_sslmode_verifies_what_it_should() {
    if !has_own_server("the authority of a given server isn't known") {
        return;
    }
    let world = World::new("tls").await;
    let ca = server().await.ca_certificate().unwrap();
    let copy = std::env::temp_dir().join(format!("korf-ca-{}.crt", std::process::id()));
    std::fs::copy(ca, &copy).unwrap();
    let unrelated = std::env::temp_dir().join(format!("korf-unrelated-{}.crt", std::process::id()));
    std::fs::copy(Postgres::start().await.unwrap().ca_certificate().unwrap(), &unrelated).unwrap();
    let (known, unrelated) = (copy.to_str().unwrap(), unrelated.to_str().unwrap());
    let with = |options: &str| world.database.url_with(options);
    let by_other_name = |options: &str| {
        let (name, password) = (&world.database.name, &world.database.password);
        let port = world.database.address.port();
        format!(
            "host=elsewhere hostaddr=127.0.0.1 port={port} user={name} password={password} dbname={name} {options}"
        )
    };
    for (url, outcome) in [
        (with("sslmode=disable"), Some(false)),
        (with(""), Some(true)),
        (with("sslmode=prefer"), Some(true)),
        (with("sslmode=require"), Some(true)),
        (with(&format!("sslmode=require&sslrootcert={unrelated}")), None),
        (with("sslmode=verify-ca"), None),
        (with(&format!("sslmode=verify-ca&sslrootcert={known}")), Some(true)),
        (with(&format!("sslmode=verify-ca&sslrootcert={unrelated}")), None),
        (with(&format!("sslmode=verify-full&sslrootcert={known}")), Some(true)),
        (with(&format!("sslmode=verify-full&sslrootcert={unrelated}")), None),
        (by_other_name("sslmode=require"), Some(true)),
        (by_other_name(&format!("sslmode=verify-ca sslrootcert={known}")), Some(true)),
        (by_other_name(&format!("sslmode=verify-full sslrootcert={known}")), None),
    ] {
        assert_eq!(encrypted(&url).await.ok(), outcome, "{url}");
    }
    let unknown = encrypted(&with("sslmode=verify-full")).await.unwrap_err().to_string();
    assert!(
        unknown.ends_with(
            "UnknownIssuer (set sslrootcert to the certificate of the authority that signed the server's certificate)"
        ),
        "{unknown}"
    );
    std::fs::remove_file(known).unwrap();
    std::fs::remove_file(unrelated).unwrap();
}

#[tokio::test]
async fn the_error_about_a_wrong_password_does_not_contain_it() {
    if !has_own_server("a given server's databases have other names than the message here") {
        return;
    }
    let world = World::new("password").await;
    let url = world.database.url().replace(&world.database.password, "Tr0ub4dor");
    let pool = Settings::read(Some(&url), |_| None).unwrap().pool(1).unwrap();
    let error = Database::new(pool)
        .apply(&NoAnswer, &claim(owner("a")), &table(&spec("t", &[("a", "integer")])))
        .await
        .unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::PermissionDenied));
    assert_eq!(
        error.to_string(),
        "FATAL: password authentication failed for user \"password\" (SQLSTATE 28P01)"
    );
    assert!(!format!("{error:?}").contains("Tr0ub4dor"));
}

#[tokio::test]
async fn a_missing_database_is_reported() {
    if !has_own_server("a given server's databases have other names than the message here") {
        return;
    }
    let world = World::new("no_database").await;
    let url = world.database.url().replace("/no_database?", "/nowhere?");
    let error = encrypted(&url).await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Environment, ConditionReason::DatabaseUnavailable)
    );
    assert_eq!(error.to_string(), "FATAL: database \"nowhere\" does not exist (SQLSTATE 3D000)");
}

#[tokio::test]
async fn an_outage_is_temporary_and_the_pool_recovers() {
    if !has_own_server("a given server can't be stopped") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let database = server.create_database("outage").await.unwrap();
    let pool = Settings::read(Some(&database.url()), |_| None).unwrap().pool(2).unwrap();
    let (wanted, tables) = (table(&spec("t", &[("a", "integer")])), Database::new(pool));
    tables.apply(&NoAnswer, &claim(owner("a")), &wanted).await.unwrap();
    server.stop().await.unwrap();
    let error = tables.apply(&NoAnswer, &claim(owner("a")), &wanted).await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (ErrorClass::Temporary, ConditionReason::DatabaseUnavailable)
    );
    assert!(error.to_string().starts_with("the database is unreachable: "), "{error}");
    assert!(!format!("{error} {error:?}").contains(&database.password), "{error}");
    server.resume().await.unwrap();
    tables.apply(&NoAnswer, &claim(owner("a")), &wanted).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_if_sslmode_allows_it() {
    if !has_own_server("a given server can't be stopped") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let database = server.create_database("plain").await.unwrap();
    let superuser = database.connect_as_superuser().await.unwrap();
    superuser.batch_execute("ALTER SYSTEM SET ssl = off").await.unwrap();
    server.stop().await.unwrap();
    server.resume().await.unwrap();
    for mode in ["disable", "prefer"] {
        assert_eq!(encrypted(&database.url_with(&format!("sslmode={mode}"))).await, Ok(false), "{mode}");
    }
    let error = encrypted(&database.url_with("sslmode=require")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Environment);
    assert!(error.to_string().contains("server does not support TLS (sslmode asks for TLS"), "{error}");
}

#[tokio::test]
async fn a_mistake_on_this_side_of_the_connection_is_no_outage() {
    let world = World::new("own_mistakes").await;
    let password = format!(":{}@", world.database.password);
    for (url, hint) in [
        (world.database.url().replace(&password, "@"), "the server asks for a password"),
        (
            world.database.url_with("sslmode=disable&channel_binding=require"),
            "channel_binding=require needs TLS",
        ),
    ] {
        let pool = Settings::read(Some(&url), |_| None).unwrap().pool(1).unwrap();
        let applied = Database::new(pool)
            .apply(&NoAnswer, &claim(owner("a")), &table(&spec("t", &[("a", "integer")])))
            .await;
        let error = applied.unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::DatabaseUnavailable),
            "{error}"
        );
        assert!(
            error.to_string().contains(hint) && !format!("{error:?}").contains(&world.database.password),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_one_of_several_hosts_that_takes_writes_is_used() {
    if !has_own_server("there is one given server, not several") {
        return;
    }
    let world = World::new("several_hosts").await;
    let standby = Postgres::start().await.unwrap();
    let superuser = standby.create_database("x").await.unwrap().connect_as_superuser().await.unwrap();
    let (name, password) = (&world.database.name, &world.database.password);
    for statement in [
        &format!("CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'"),
        &format!("CREATE DATABASE \"{name}\" OWNER \"{name}\""),
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ] {
        superuser.batch_execute(statement).await.unwrap();
    }
    let away = "127.0.0.1:1";
    let reject = Postgres::start().await.unwrap();
    let (primary, standby, reject) =
        (world.database.address.to_string(), standby.address().to_string(), reject.address().to_string());
    let connect = async |hosts: &[&str]| {
        let url = world.database.url().replace(&world.database.address.to_string(), &hosts.join(","));
        encrypted(&url).await
    };
    for hosts in [
        &[&*standby, &primary][..],
        &[&primary, &standby],
        &[&reject, &primary],
        &[away, &standby, &reject, &primary],
    ] {
        assert_eq!(connect(hosts).await, Ok(false), "{hosts:?}");
    }
    for (hosts, class) in [
        (&[away, &reject][..], ErrorClass::Temporary),
        (&[&reject, away], ErrorClass::Temporary),
        (&[&reject, &standby], ErrorClass::Temporary),
        (&[&reject, &reject], ErrorClass::Environment),
    ] {
        let error = connect(hosts).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains("password authentication failed"), "{error}");
        let differ = hosts[0] != hosts[1];
        assert!(!differ || hosts.iter().all(|host| error.to_string().contains(host)), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_postgresql_is_a_mistake() {
    for (greeting, hint) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "server does not support TLS"),
        // S is also what PostgreSQL says if it has TLS.
        ("SSH-2.0-OpenSSH_9.9\r\n", "doesn't seem to be PostgreSQL"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            // It is asked twice, and says the same.
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                client.write_all(greeting.as_bytes()).await.unwrap();
                let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
            }
        });
        let url = format!("postgres://eva:pw@{address}/x?sslmode=require");
        let error = encrypted(&url).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Environment, "{error}");
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[tokio::test]
async fn a_number_alone_is_enough_for_tls() {
    if !has_own_server("the authority of a given server isn't known") {
        return;
    }
    let world = World::new("number_alone").await;
    let (name, password) = (&world.database.name, &world.database.password);
    let port = world.database.address.port();
    let url = format!("hostaddr=127.0.0.1 port={port} user={name} password={password} dbname={name}");
    let ca = server().await.ca_certificate().unwrap();
    for options in
        ["sslmode=prefer", "sslmode=require", &format!("sslmode=verify-full sslrootcert={}", ca.display())]
    {
        assert_eq!(encrypted(&format!("{url} {options}")).await, Ok(true), "{options}");
    }
}
