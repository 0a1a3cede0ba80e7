//! Servers that admit fewer connections than the pool may have.

use crate::support::{NoAnswer, World, claim, has_own_server, owner, pooler, skip, spec, table};
use database_table_operator::{
    connection::Settings, database::Database, error::TableError, sqlstate::ErrorClass,
};
use futures::future::join_all;
use korf_sandbox::Postgres;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Makes tables, all at once.
async fn apply_all(tables: &Arc<Database>, count: usize) -> Vec<Result<(), TableError>> {
    let each = (0..count).map(|number| {
        let tables = Arc::clone(tables);
        tokio::spawn(async move {
            let name = format!("t{number}");
            let wanted = table(&spec(&name, &[("a", "integer")]));
            tables.apply(&NoAnswer, &claim(owner(&name)), &wanted).await.map(drop)
        })
    });
    join_all(each).await.into_iter().map(Result::unwrap).collect()
}

fn pool_of_eight(url: &str) -> Arc<Database> {
    Arc::new(Database::new(Settings::read(Some(url), |_| None).unwrap().pool(8).unwrap()))
}

#[tokio::test]
async fn fifty_tables_share_the_two_connections_that_their_role_may_have() {
    if pooler().is_some() {
        return skip("a pooler has the server's connections, and makes its clients wait itself");
    }
    let world = World::new("two_connections").await;
    let superuser = world.database.connect_as_superuser().await.unwrap();
    let limit = async |connections: i32| {
        let user = &world.database.user;
        let set = format!("ALTER ROLE \"{user}\" CONNECTION LIMIT {connections}");
        superuser.batch_execute(&set).await.unwrap();
    };
    // The world's own connection is a third one.
    limit(3).await;
    let tables = pool_of_eight(&world.database.url());
    for result in apply_all(&tables, 50).await {
        result.unwrap();
    }
    // Others have all connections of the role: there is none to wait for.
    let newcomer = pool_of_eight(&world.database.url());
    for result in apply_all(&newcomer, 3).await {
        let error = result.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Temporary);
        assert!(error.to_string().contains("too many connections for role"), "{error}");
    }
    limit(-1).await;
    for result in apply_all(&newcomer, 20).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn fifty_tables_share_what_the_server_has_left() {
    if !has_own_server("a given server can't be stopped") {
        return;
    }
    let server = Postgres::start().await.unwrap();
    let database = server.create_database("few").await.unwrap();
    let superuser = database.connect_as_superuser().await.unwrap();
    for setting in ["max_connections = 8", "superuser_reserved_connections = 4", "max_wal_senders = 0"] {
        superuser.batch_execute(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
    }
    drop(superuser);
    server.stop().await.unwrap();
    server.resume().await.unwrap();
    let tables = pool_of_eight(&database.url());
    for result in apply_all(&tables, 50).await {
        result.unwrap();
    }
}

/// A pooler that takes one client at a time, and answers others at once, as pgbouncer does: before they can ask for TLS.
async fn pooler_for_one(server: SocketAddr) -> SocketAddr {
    const FULL: &[u8] = b"E\0\0\0\x42SFATAL\0C08P01\0Mno more connections allowed (max_client_conn)\0\0";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let places = Arc::new(Semaphore::new(1));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let place = Arc::clone(&places).try_acquire_owned();
            tokio::spawn(async move {
                if place.is_err() {
                    client.write_all(FULL).await.unwrap();
                    client.shutdown().await.unwrap();
                    let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
                    return;
                }
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_full_pooler_is_understood_also_before_tls() {
    let world = World::new("full_pooler").await;
    for mode in ["disable", "prefer", "require"] {
        if mode == "require" && !has_own_server("a given server may have no TLS, which sslmode=require needs")
        {
            continue;
        }
        let pooler = pooler_for_one(world.database.address).await.to_string();
        let url = world.database.url_with(&format!("sslmode={mode}"));
        let url = url.replace(&world.database.address.to_string(), &pooler);
        let first = pool_of_eight(&url);
        for result in apply_all(&first, 20).await {
            result.unwrap_or_else(|error| panic!("{mode}: {error}"));
        }
        let error = apply_all(&pool_of_eight(&url), 1).await.remove(0).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Temporary, "{mode}: {error}");
        let expected = "FATAL: no more connections allowed (max_client_conn) (SQLSTATE 08P01)";
        assert_eq!(error.to_string(), expected, "{mode}");
    }
}
