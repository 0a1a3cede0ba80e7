//! Start-up of etcd and kube-apiserver.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use korf_programs::control_plane::Binaries;
use kube::api::ListParams;
use kube::{Api, Client};
use rcgen::KeyPair;

use crate::authority::Authority;
use crate::guard::{Guard, StopSignal};
use crate::{Error, Result};

const ETCD: &str = "etcd";
const API_SERVER: &str = "apiserver";

/// What the API server writes into its audit log: a line for each request of a service account, without its content; for writes of
/// Leases, with the Lease that results.
const AUDIT_POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {
            "level": "RequestResponse",
            "userGroups": ["system:serviceaccounts"],
            "verbs": ["create", "patch", "update"],
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]
        },
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"}
    ]
}"#;

/// The audit log, in the folder of the servers.
pub(crate) const AUDIT_LOG: &str = "audit.jsonl";

/// Limit for the start-up. It takes three seconds on two idle cores, and more on a busy CI machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Writes the servers' keys and certificates.
pub(crate) fn write_files(guard: &Guard, authority: &Authority) -> Result<()> {
    guard.write("ca.crt", authority.certificate())?;
    let server = authority.server()?;
    guard.write("apiserver.crt", server.certificate)?;
    guard.write("apiserver.key", server.key)?;
    let accounts = KeyPair::generate().map_err(Error::Certificate)?;
    guard.write("service-accounts.key", accounts.serialize_pem())?;
    guard.write("service-accounts.pub", accounts.public_key_pem())?;
    guard.write("audit-policy.yaml", AUDIT_POLICY)?;
    Ok(())
}

/// Starts both without waiting in between, because the API server waits for etcd. etcd comes first, and so
/// stops last.
pub(crate) fn start(guard: &Guard, binaries: &Binaries, port: u16, features: &str) -> Result<()> {
    guard.start_server(ETCD, &etcd(&binaries.etcd, guard.folder()), StopSignal::Terminate)?;
    start_api_server(guard, binaries, port, features)
}

pub(crate) fn start_api_server(guard: &Guard, binaries: &Binaries, port: u16, features: &str) -> Result<()> {
    let mut command = api_server(&binaries.kube_apiserver, guard.folder(), port);
    if !features.is_empty() {
        command.arg(format!("--feature-gates={features}"));
    }
    guard.start_server(API_SERVER, &command, StopSignal::Terminate)
}

pub(crate) async fn stop_api_server(guard: &Guard) -> Result<()> {
    guard.stop_server(API_SERVER).await.map(drop)
}

/// Waits until `/readyz` succeeds and the namespace `default` exists, for which `/readyz` doesn't wait.
pub(crate) async fn until_ready(guard: &Guard, client: &Client) -> Result<()> {
    let is_ready = async || ready(client).await.map_err(|error| error.to_string());
    guard.until_ready(&[API_SERVER, ETCD], LIMIT, is_ready).await
}

async fn ready(client: &Client) -> kube::Result<()> {
    let request = kube::core::Request::new("/readyz").list(&ListParams::default());
    client.request_text(request.map_err(kube::Error::BuildRequest)?).await?;
    Api::<Namespace>::all(client.clone()).get("default").await?;
    Ok(())
}

/// etcd on Unix sockets, which need no free port, and which other accounts on this machine can't access.
fn etcd(program: &Path, folder: &Path) -> Command {
    let socket = |name: &str| format!("unix://{}", folder.join(name).display());
    let (clients, peers) = (socket("etcd.sock"), socket("peer.sock"));
    let mut command = Command::new(program);
    command
        .args(["--name=default", "--unsafe-no-fsync", "--log-level=warn"])
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={clients}"))
        .arg(format!("--advertise-client-urls={clients}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=default={peers}"));
    command
}

fn api_server(program: &Path, folder: &Path, port: u16) -> Command {
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut command = Command::new(program);
    command
        .arg(format!("--etcd-servers=unix://{}", folder.join("etcd.sock").display()))
        .arg(format!("--bind-address={}", address.ip()))
        .arg(format!("--secure-port={port}"))
        .arg("--endpoint-reconciler-type=none") // loopback can't be advertised
        .arg("--authorization-mode=RBAC")
        .arg("--disable-admission-plugins=ServiceAccount") // no controller makes the accounts
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(format!("--service-account-issuer=https://{address}"))
        .arg(file("service-account-key-file", "service-accounts.pub"))
        .arg(file("service-account-signing-key-file", "service-accounts.key"))
        .arg(file("client-ca-file", "ca.crt"))
        .arg(file("tls-cert-file", "apiserver.crt"))
        .arg(file("tls-private-key-file", "apiserver.key"))
        .arg(file("cert-dir", "certificates"))
        .arg(file("audit-policy-file", "audit-policy.yaml"))
        .arg(file("audit-log-path", AUDIT_LOG))
        .arg("--audit-log-maxsize=1000")
        .arg("--profiling=false");
    command
}
