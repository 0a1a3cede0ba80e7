//! Health and metrics: the options that say where they are served.

use crate::{operator::Operator, runtime::health::METRICS};
use http::Uri;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The paths that `--health-addr` serves.
const OWN: [&str; 2] = ["/livez", "/readyz"];

/// Where health and metrics are served.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// Serve /livez and /readyz there: whether the operator is alive, and whether it is ready
    #[arg(long, value_name = "ADDRESS:PORT", env = "KORF_RUN_HEALTH_ADDR", value_parser = address)]
    pub health_addr: Option<SocketAddr>,
    /// Serve what the probes return there, as Kopf does: http://0.0.0.0:8080/healthz
    #[arg(long, value_name = "URL", env = "KORF_RUN_LIVENESS", value_parser = endpoint)]
    pub liveness: Option<Endpoint>,
    /// Serve /metrics there, for Prometheus; it may be the address of --health-addr
    #[arg(long, value_name = "ADDRESS:PORT", env = "KORF_RUN_METRICS_ADDR", value_parser = address)]
    pub metrics_addr: Option<SocketAddr>,
}

/// An address and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub address: SocketAddr,
    pub path: String,
}

impl Health {
    /// What can't be served together.
    pub fn contradiction(&self) -> Option<&'static str> {
        let Endpoint { address, path } = self.liveness.as_ref()?;
        if Some(*address) == self.health_addr && OWN.contains(&&**path) {
            return Some(
                "--liveness has a path that --health-addr serves there: use another one, such as /healthz",
            );
        }
        let is_taken = Some(*address) == self.metrics_addr && path == METRICS;
        is_taken.then_some(
            "--liveness has a path that --metrics-addr serves there: use another one, such as /healthz",
        )
    }

    /// The operator, which serves it.
    pub fn of(self, mut operator: Operator) -> Operator {
        if let Some(address) = self.health_addr {
            operator = operator.health(address);
        }
        if let Some(address) = self.metrics_addr {
            operator = operator.metrics(address);
        }
        match self.liveness {
            Some(Endpoint { address, path }) => operator.liveness(address, path),
            None => operator,
        }
    }
}

/// An address of this machine with a port.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    const EXPECTED: &str = "expected an IP address and a port: 0.0.0.0:8080, [::]:8080, localhost:8080";
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    if host == "localhost" {
        let port = port.parse().map_err(|_| EXPECTED)?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| EXPECTED)
}

/// A URL as Kopf takes it.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, &'static str> {
    const EXPECTED: &str = "expected a URL such as http://0.0.0.0:8080/healthz";
    let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err("probes are served without TLS: expected http://, not https://"),
        _ => return Err(EXPECTED),
    }
    let authority = uri.authority().ok_or(EXPECTED)?.as_str();
    if uri.port().is_none() {
        return Err("the URL has no port: expected one such as http://0.0.0.0:8080/healthz");
    }
    if uri.query().is_some() {
        return Err("the URL has a query, which probes don't look at: leave it out");
    }
    Ok(Endpoint { address: address(authority)?, path: uri.path().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_an_ip_and_a_port() {
        for (text, expected) in [
            ("0.0.0.0:8080", Some("0.0.0.0:8080")),
            ("[::]:8080", Some("[::]:8080")),
            ("localhost:8080", Some("127.0.0.1:8080")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("0.0.0.0", None),
            (":8080", None),
            ("8080", None),
            ("0.0.0.0:65536", None),
            ("localhost:http", None),
            ("korf.dev:8080", None),
            ("", None),
        ] {
            assert_eq!(address(text).ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_liveness_url_is_one_of_kopf_and_the_message_says_what_is_wrong() {
        for (text, expected) in [
            ("http://0.0.0.0:8080/healthz", Ok("0.0.0.0:8080 /healthz")),
            ("http://localhost:8080", Ok("127.0.0.1:8080 /")),
            ("http://[::1]:80/a/b", Ok("[::1]:80 /a/b")),
            ("https://0.0.0.0:8080/healthz", Err("without TLS")),
            ("http://0.0.0.0/healthz", Err("has no port")),
            ("http://0.0.0.0:8080/healthz?x", Err("has a query")),
            ("http://pod:8080/healthz", Err("expected an IP address and a port")),
            ("http://user@0.0.0.0:8080/", Err("expected an IP address and a port")),
            ("0.0.0.0:8080/healthz", Err("expected a URL")),
            ("/healthz", Err("expected a URL")),
            ("", Err("expected a URL")),
        ] {
            let result = endpoint(text).map(|Endpoint { address, path }| format!("{address} {path}"));
            match (expected, result) {
                (Ok(expected), Ok(endpoint)) => assert_eq!(endpoint, expected, "{text}"),
                (Err(expected), Err(message)) => assert!(message.contains(expected), "{text}: {message}"),
                (expected, result) => panic!("{text}: {result:?} instead of {expected:?}"),
            }
        }
    }
}
