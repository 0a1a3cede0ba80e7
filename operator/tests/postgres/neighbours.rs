//! Databases beside others that are away, silent or locked: who has done nothing wrong goes on.

use crate::{
    identities::World,
    support::{NoAnswer, claim, owner, pooler, spec, table},
};
use database_table_operator::{
    connections::{Link, Purpose},
    error::TableError,
    sqlstate::ErrorClass,
};
use futures::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

/// Makes a table by a Secret of the same name, with one column more than before.
fn extend(world: &Arc<World>, secret: &str, name: &str) -> JoinHandle<Result<(), TableError>> {
    let (world, secret, name) = (Arc::clone(world), secret.to_owned(), name.to_owned());
    tokio::spawn(async move {
        let wanted = &table(&spec(&name, &[("a", "integer"), ("b", "integer")]));
        let claim = &claim(owner(&name));
        let work = |link: Arc<Link>| async move { link.database.apply(&NoAnswer, claim, wanted).await };
        world.with(&secret, Purpose::Apply, work).await.map(drop)
    })
}

#[tokio::test]
async fn nine_databases_that_swallow_packets_and_four_that_are_locked_take_nothing_from_the_others() {
    if pooler().is_some() {
        return; // It has the server's connections.
    }
    let world = World::new("bad_neighbours").await;
    let url = world.database.url();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hole = listener.local_addr().unwrap().to_string();
    let names = |kind: &str, count: usize| (0..count).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
    let (silent, locked, healthy) = (names("silent", 9), names("locked", 4), names("healthy", 5));
    for name in &silent {
        world.put_url(name, &url.replace(&world.database.address.to_string(), &hole));
    }
    for name in locked.iter().chain(&healthy) {
        world.put_url(name, &url);
    }
    for name in &locked {
        for number in 0..8 {
            world.apply_by(name, &format!("{name}_{number}")).await.unwrap();
        }
    }
    let other = world.database.connect().await.unwrap();
    let tables: Vec<_> = locked.iter().flat_map(|name| (0..8).map(move |n| format!("{name}_{n}"))).collect();
    other.batch_execute(&format!("BEGIN; LOCK TABLE {}", tables.join(", "))).await.unwrap();
    let world = Arc::new(world);
    let all = |secrets: &[String]| {
        let each = secrets.iter().flat_map(|secret| (0..8).map(move |n| (secret, format!("{secret}_{n}"))));
        each.map(|(secret, name)| extend(&world, secret, &name)).collect::<Vec<_>>()
    };
    for round in 0..2 {
        // None of the healthy ones has a connection of its own.
        world.connections.sweep(Instant::now() + Duration::from_secs(301));
        let bad = [all(&silent), all(&locked)];
        tokio::task::yield_now().await;
        let begun = Instant::now();
        for result in join_all(all(&healthy)).await {
            result.unwrap().unwrap();
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "round {round}: {took:?}");
        let [bad_silent, bad_locked] = bad;
        for result in join_all(bad_locked).await {
            let error = result.unwrap().unwrap_err();
            assert_eq!(error.class(), ErrorClass::Temporary);
            assert!(!error.is_of_the_server(), "it was reached, or never asked: {error}");
        }
        for result in join_all(bad_silent).await {
            assert!(result.unwrap().unwrap_err().is_of_the_server());
        }
    }
}
