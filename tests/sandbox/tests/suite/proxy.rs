use k8s_openapi::api::core::v1::Namespace;
use korf_sandbox::{Proxy, Sandbox};
use kube::Api;
use tokio_postgres::NoTls;

#[tokio::test]
async fn a_cut_line_ends_connections_and_refuses_new_ones_until_restored() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database("cut").await.unwrap();
    let proxy = Proxy::to(postgres.address()).await.unwrap();
    let url = database.url_through(proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let ended = tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();

    proxy.cut();
    assert!(ended.await.unwrap().is_err(), "a cut is an error, not an orderly end");
    assert!(client.simple_query("SELECT 1").await.is_err());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert_eq!(proxy.accepted(), 1);

    proxy.restore();
    assert!(tokio_postgres::connect(&url, NoTls).await.is_ok());
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_stalled_line_holds_back_and_loses_nothing() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database("stalled").await.unwrap();
    let proxy = Proxy::to(postgres.address()).await.unwrap();
    let url = database.url_through(proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);

    proxy.stall();
    let query = client.simple_query("SELECT 1");
    tokio::pin!(query);
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut query).await;
    assert!(early.is_err(), "answered through a stalled line");

    proxy.restore();
    query.await.unwrap();
}

#[tokio::test]
async fn tls_to_the_api_server_verifies_through_a_proxy() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let proxy = Proxy::to(control_plane.api_server_address()).await.unwrap();
    let kubeconfig = control_plane.kubeconfig_through(proxy.address()).unwrap();
    let client = control_plane.client_by(&kubeconfig).await.unwrap();
    let namespaces = Api::<Namespace>::all(client);
    namespaces.get("default").await.unwrap();
    assert_eq!(proxy.accepted(), 1);

    proxy.cut();
    assert!(namespaces.get("default").await.is_err());
    proxy.restore();
    namespaces.get("default").await.unwrap();
}
