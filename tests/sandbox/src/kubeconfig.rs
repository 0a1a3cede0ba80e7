//! Kubeconfigs for the administrator, and variants of them for other users and other addresses.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::authority::Identity;
use crate::{Error, Result};

/// A kubeconfig with one cluster and one user, whose certificates and key are embedded.
pub(crate) fn embedded(server: SocketAddr, ca: &str, client: &Identity) -> Result<Kubeconfig> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "korf-sandbox",
        "contexts": [{
            "name": "korf-sandbox",
            "context": { "cluster": "korf-sandbox", "user": "korf-sandbox", "namespace": "default" },
        }],
        "clusters": [{
            "name": "korf-sandbox",
            "cluster": {
                "server": format!("https://{server}"),
                "certificate-authority-data": STANDARD.encode(ca),
            },
        }],
        "users": [{
            "name": "korf-sandbox",
            "user": {
                "client-certificate-data": STANDARD.encode(&client.certificate),
                "client-key-data": STANDARD.encode(&client.key),
            },
        }],
    });
    serde_json::from_value(config).map_err(|error| invalid(Path::new("for a new cluster"), error))
}

/// A kubeconfig for plain HTTP at an address, without a user.
pub(crate) fn plain(server: SocketAddr) -> Result<Kubeconfig> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "korf-sandbox",
        "contexts": [{ "name": "korf-sandbox", "context": { "cluster": "korf-sandbox", "namespace": "default" } }],
        "clusters": [{ "name": "korf-sandbox", "cluster": { "server": format!("http://{server}") } }],
    });
    serde_json::from_value(config).map_err(|error| invalid(Path::new("for a new cluster"), error))
}

/// Reads a file. Paths in it become absolute.
pub(crate) fn read(path: &Path) -> Result<Kubeconfig> {
    Kubeconfig::read_from(path).map_err(|error| invalid(path, error))
}

/// The content of a kubeconfig file, in JSON, which is valid YAML.
pub(crate) fn content(config: &Kubeconfig) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(config).map_err(|error| invalid(Path::new("to write"), error))
}

/// A client, which belongs to the tokio runtime that it is created on.
pub(crate) async fn client(path: &Path, config: Kubeconfig) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let config =
        Config::from_custom_kubeconfig(config, &options).await.map_err(|error| invalid(path, error))?;
    Client::try_from(config).map_err(Error::kubernetes("create a client"))
}

/// The same cluster and user, reached through another address. The server's certificate is still checked for
/// its own host name.
pub(crate) fn through(config: &Kubeconfig, path: &Path, address: SocketAddr) -> Result<Kubeconfig> {
    let host = host_and_port(config, path)?.0;
    let mut config = config.clone();
    let cluster = cluster_mut(&mut config).ok_or_else(|| invalid(path, "it has no current cluster"))?;
    cluster.server = Some(format!("https://{address}"));
    cluster.tls_server_name.get_or_insert(host);
    Ok(config)
}

/// The same cluster for another user, whom the current user (an administrator) impersonates.
pub(crate) fn impersonating(
    config: &Kubeconfig,
    path: &Path,
    user: &str,
    groups: &[&str],
) -> Result<Kubeconfig> {
    let mut config = config.clone();
    let info = user_mut(&mut config).ok_or_else(|| invalid(path, "it has no current user"))?;
    info.impersonate = Some(user.to_owned());
    info.impersonate_groups = Some(groups.iter().map(ToString::to_string).collect());
    Ok(config)
}

/// The address of the API server.
pub(crate) fn address(config: &Kubeconfig, path: &Path) -> Result<SocketAddr> {
    let (host, port) = host_and_port(config, path)?;
    let mut found = (host.as_str(), port).to_socket_addrs().map_err(|error| invalid(path, error))?;
    found.next().ok_or_else(|| invalid(path, format!("the host {host} has no address")))
}

fn host_and_port(config: &Kubeconfig, path: &Path) -> Result<(String, u16)> {
    let server = cluster_mut(&mut config.clone()).and_then(|cluster| cluster.server.clone());
    let server = server.ok_or_else(|| invalid(path, "its cluster has no server"))?;
    let bare = server
        .strip_prefix("https://")
        .ok_or_else(|| invalid(path, "its server doesn't begin with https://"))?;
    let authority = bare.split('/').next().unwrap_or(bare);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse()
                .map_err(|error| invalid(path, format!("its server has an invalid port, {port}: {error}")))?,
        ),
        _ => (authority, 443),
    };
    Ok((host.trim_matches(['[', ']']).to_owned(), port))
}

fn cluster_mut(config: &mut Kubeconfig) -> Option<&mut Cluster> {
    let current = config.current_context.as_ref()?;
    let context = config.contexts.iter().find(|context| context.name == *current)?.context.as_ref()?;
    config.clusters.iter_mut().find(|cluster| cluster.name == context.cluster)?.cluster.as_mut()
}

fn user_mut(config: &mut Kubeconfig) -> Option<&mut AuthInfo> {
    let current = config.current_context.as_ref()?;
    let context = config.contexts.iter().find(|context| context.name == *current)?.context.as_ref()?;
    let user = context.user.as_ref()?;
    config.auth_infos.iter_mut().find(|info| info.name == *user)?.auth_info.as_mut()
}

fn invalid(path: &Path, reason: impl ToString) -> Error {
    Error::Kubeconfig { path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str) -> Kubeconfig {
        let identity = Identity { certificate: String::new(), key: String::new() };
        let mut config = embedded(([127, 0, 0, 1], 1).into(), "", &identity).unwrap();
        cluster_mut(&mut config).unwrap().server = Some(server.to_owned());
        config
    }

    #[test]
    fn all_forms_of_a_server_address_are_parsed() {
        let cases = [
            ("https://127.0.0.1:6443", ("127.0.0.1", 6443)),
            ("https://example.org", ("example.org", 443)),
            ("https://example.org/k8s/clusters/c-1", ("example.org", 443)),
            ("https://[::1]:6443", ("::1", 6443)),
            ("https://[::1]", ("::1", 443)),
        ];
        for (server, (host, port)) in cases {
            let found = host_and_port(&config(server), Path::new("test")).unwrap();
            assert_eq!(found, (host.to_owned(), port), "{server}");
        }
    }

    #[test]
    fn a_kubeconfig_through_another_address_keeps_the_host_name_of_the_certificate() {
        let mut config =
            through(&config("https://example.org"), Path::new("test"), ([127, 0, 0, 1], 5).into()).unwrap();
        let cluster = cluster_mut(&mut config).unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:5"));
        assert_eq!(cluster.tls_server_name.as_deref(), Some("example.org"));
    }
}
