#!/usr/bin/env bash
# kube (Rust): NO_PROXY is compared with the proxy's own host, and not with the API server's
#
# Versions: kube 5.0.0, with the feature http-proxy.
#
# kubectl goes through HTTPS_PROXY unless NO_PROXY names the API server, or that is on loopback. kube asks whether NO_PROXY names
# the proxy. So an exception for the cluster has no effect, and one for the proxy's domain switches it off. Two details more: a
# host without a port only names a proxy without a port, and a trailing comma is an error. With a kubeconfig whose server is
# https://api.cluster.test:6443, and HTTPS_PROXY=http://proxy.corp.test:3128:
#
#     NO_PROXY=(unset)                kubectl: proxy     kube: http://proxy.corp.test:3128/
#     NO_PROXY=.cluster.test          kubectl: direct    kube: http://proxy.corp.test:3128/
#     NO_PROXY=.corp.test:3128        kubectl: proxy     kube: direct
#     NO_PROXY=.corp.test             kubectl: proxy     kube: http://proxy.corp.test:3128/
#     NO_PROXY=.cluster.test,         kubectl: direct    kube: failed to parse NO_PROXY/no_proxy env var
#
# Who needs exceptions sets `Config::proxy_url` after the kubeconfig was read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "asks"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
kube = { version = "=5.0.0", default-features = false, features = ["client", "http-proxy", "ring", "rustls-tls"] }
k8s-openapi = { version = "0.29", features = ["latest"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat > "$folder/src/main.rs" <<'RUST'
use kube::{Config, config::KubeConfigOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
        Ok(config) => println!("{}", config.proxy_url.map_or("direct".to_owned(), |url| url.to_string())),
        Err(error) => println!("{error}"),
    }
}
RUST
cat > "$folder/kubeconfig" <<'YAML'
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://api.cluster.test:6443"}}]
users: [{name: u, user: {token: t}}]
YAML
(cd "$folder" && cargo build --quiet)
seen() {
    env -u NO_PROXY -u no_proxy -u https_proxy KUBECONFIG="$folder/kubeconfig" HTTPS_PROXY=http://proxy.corp.test:3128 \
        "${@}" "${CARGO_TARGET_DIR:-$folder/target}/debug/asks"
}
expect() {
    local expected=$1 found
    shift
    found=$(seen "$@")
    [ "$found" = "$expected" ] || { echo "$*: expected \"$expected\", found \"$found\"" >&2; exit 1; }
}
expect http://proxy.corp.test:3128/
expect http://proxy.corp.test:3128/ NO_PROXY=.cluster.test
expect direct NO_PROXY=.corp.test:3128
expect http://proxy.corp.test:3128/ NO_PROXY=.corp.test
expect "failed to parse NO_PROXY/no_proxy env var" NO_PROXY=.cluster.test,
echo "as described"
