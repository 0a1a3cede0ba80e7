use super::until;
use k8s_openapi::api::core::v1::Namespace;
use korf_sandbox::{Database, Moment, Sandbox, Trap, TrapProxy};
use kube::{Api, api::PostParams};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

/// The calls that a connection takes, until it is there.
const CONNECTING: usize = 3;

/// A database with an empty table, and a client for it through a trap.
async fn trapped(name: &str, trap: &Trap) -> (Database, TrapProxy, Client) {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database(name).await.unwrap();
    database.connect().await.unwrap().batch_execute("CREATE TABLE t (a integer)").await.unwrap();
    let proxy = TrapProxy::postgres(postgres.address(), trap).await.unwrap();
    let url = database.url_through(proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    (database, proxy, client)
}

async fn rows(database: &Database) -> i64 {
    let query = "SELECT count(*) FROM t";
    database.connect().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn the_calls_to_a_database_are_counted_and_go_through() {
    let trap = Trap::never();
    let (database, _proxy, client) = trapped("counted", &trap).await;
    assert_eq!(trap.calls().len(), CONNECTING, "{:?}", trap.calls());
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    client.query_typed("SELECT  a\n FROM t", &[]).await.unwrap();
    // Sent at once, and two calls.
    let (inserted, committed) =
        tokio::join!(client.execute_typed("INSERT INTO t SELECT 2", &[]), client.batch_execute("COMMIT"));
    inserted.unwrap();
    committed.unwrap();
    let expected = ["BEGIN; INSERT INTO t VALUES (1)", "SELECT a FROM t", "INSERT INTO t SELECT 2", "COMMIT"];
    assert_eq!(trap.calls()[CONNECTING..], expected);
    assert_eq!(rows(&database).await, 2);
}

#[tokio::test]
async fn a_database_has_done_what_is_held_behind_it_and_not_what_is_held_before_it() {
    for (moment, expected) in [(Moment::Before, 1), (Moment::Answered, 2)] {
        let trap = Trap::at(CONNECTING + 2, moment);
        let (database, proxy, client) = trapped(&format!("held_{moment:?}").to_lowercase(), &trap).await;
        client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
        let held = client.execute_typed("INSERT INTO t SELECT 2", &[]);
        tokio::select! {
            result = held => panic!("{moment:?}: the client was told {result:?}"),
            () = trap.sprung() => {}
        }
        drop(proxy);
        assert_eq!(rows(&database).await, expected, "{moment:?}");
    }
}

#[tokio::test]
async fn a_request_to_an_api_server_is_held_before_or_behind_it() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let administrator = control_plane.client().await.unwrap();
    for (moment, is_there) in [(Moment::Before, false), (Moment::Answered, true)] {
        let trap = Trap::at(2, moment);
        let proxy = TrapProxy::kubernetes(administrator.clone(), &trap).await.unwrap();
        let kubeconfig = control_plane.kubeconfig_at(proxy.address()).unwrap();
        let client = control_plane.client_for(&kubeconfig).await.unwrap();
        let namespaces = Api::<Namespace>::all(client);
        assert_eq!(namespaces.get("default").await.unwrap().metadata.name.unwrap(), "default");

        let name = format!("held-{moment:?}").to_lowercase();
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        let params = PostParams::default();
        tokio::select! {
            result = namespaces.create(&params, &namespace) => panic!("{moment:?}: {result:?}"),
            () = trap.sprung() => {}
        }
        drop(proxy);
        let found = Api::<Namespace>::all(administrator.clone()).get_opt(&name).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{moment:?}");
        let calls = trap.calls();
        assert_eq!(calls[0], "GET /api/v1/namespaces/default");
        assert!(calls[1].starts_with("POST /api/v1/namespaces"), "{calls:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_under_way_arrives_though_its_client_is_gone() {
    let trap = Trap::at(CONNECTING + 1, Moment::Underway);
    let (database, proxy, client) = trapped("underway", &trap).await;
    let locked = database.connect().await.unwrap();
    locked.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    tokio::select! {
        result = client.batch_execute("INSERT INTO t VALUES (1)") => panic!("{result:?}"),
        () = trap.sprung() => {}
    }
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass";
    let waits = async || locked.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1;
    until("the statement waits for the lock", waits).await;
    drop((client, proxy));
    locked.batch_execute("COMMIT").await.unwrap();
    until("the statement was executed", async || rows(&database).await == 1).await;
}
