use k8s_openapi::api::core::v1::Namespace;
use korf_sandbox::{Proxy, Sandbox};
use kube::Api;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::NoTls;

#[tokio::test]
async fn a_cut_link_resets_connections_and_rejects_new_ones_until_restored() {
    let postgres = &Sandbox::shared().await.unwrap().postgres;
    let database = postgres.create_database("cut").await.unwrap();
    let proxy = Proxy::to(postgres.address()).await.unwrap();
    let url = database.url_through(proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let end = tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();

    proxy.cut();
    assert!(end.await.unwrap().is_err(), "a cut is an error, not an orderly close");
    assert!(client.simple_query("SELECT 1").await.is_err());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert_eq!(proxy.accepted(), 1);

    proxy.restore();
    assert!(tokio_postgres::connect(&url, NoTls).await.is_ok());
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_stalled_link_delays_data_and_loses_none() {
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
    assert!(early.is_err(), "a stalled link delivered an answer");

    proxy.restore();
    query.await.unwrap();
}

#[tokio::test]
async fn tls_to_the_api_server_verifies_through_a_proxy() {
    let control_plane = &Sandbox::shared().await.unwrap().control_plane;
    let proxy = Proxy::to(control_plane.api_server_address()).await.unwrap();
    let kubeconfig = control_plane.kubeconfig_through(proxy.address()).unwrap();
    let client = control_plane.client_for(&kubeconfig).await.unwrap();
    let namespaces = Api::<Namespace>::all(client);
    namespaces.get("default").await.unwrap();
    assert_eq!(proxy.accepted(), 1);

    proxy.cut();
    assert!(namespaces.get("default").await.is_err());
    proxy.restore();
    namespaces.get("default").await.unwrap();
}

#[tokio::test]
async fn the_bytes_of_the_server_are_counted_while_connections_are_open() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::to(server.local_addr().unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut served, _) = server.accept().await.unwrap();
    client.write_all(b"a question").await.unwrap();
    served.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(proxy.sent_by_server(), 0);
    served.write_all(b"answer").await.unwrap();
    client.read_exact(&mut [0; 6]).await.unwrap();
    assert_eq!(proxy.sent_by_server(), 6);
}
