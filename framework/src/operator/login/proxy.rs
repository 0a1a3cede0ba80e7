//! Proxy to the API server, chosen as kubectl does.
//!
//! The `proxy-url` of a kubeconfig is always used. Otherwise it is `HTTPS_PROXY`, or `HTTP_PROXY` where the server's URL is a
//! plain `http` one, unless the server is on loopback or `NO_PROXY` names it. kube has rules of its own: it compares `NO_PROXY` with
//! the proxy's host and not with the server's, and knows no proxy in a pod.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use std::net::IpAddr;

/// The proxy to a server, if there is to be one.
///
/// # Errors
/// It isn't a URL that can be used. The text doesn't quote it: there may be a password in it.
pub fn choose(
    server: &Uri,
    from_kubeconfig: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, String> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let either = |upper: &str, lower: &str| {
        variable(upper)
            .and_then(|text| given(&text))
            .or_else(|| variable(lower).and_then(|text| given(&text)))
    };
    if let Some(url) = from_kubeconfig.and_then(given) {
        return read(&url, "the kubeconfig's proxy-url").map(Some);
    }
    let (upper, lower) = match server.scheme_str() {
        Some("http") => ("HTTP_PROXY", "http_proxy"),
        _ => ("HTTPS_PROXY", "https_proxy"),
    };
    match either(upper, lower) {
        Some(_) if is_direct(server, &either("NO_PROXY", "no_proxy").unwrap_or_default()) => Ok(None),
        Some(url) => read(&url, upper).map(Some),
        None => Ok(None),
    }
}

/// Reads a proxy's URL; without a scheme, it is an `http` one.
fn read(url: &str, source: &str) -> Result<Uri, String> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    // With socks5, too, the proxy looks up the server's name.
    let url = url.strip_prefix("socks5h://").map_or(url.clone(), |rest| format!("socks5://{rest}"));
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let uri = uri.ok_or_else(|| format!("{source} isn't a URL: it should look like http://proxy:3128"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        Some(scheme) => Err(format!("{source} has the scheme `{scheme}`: use http, https or socks5")),
        None => Err(format!("{source} has no scheme: use http, https or socks5")),
    }
}

/// Whether a server is asked without a proxy.
fn is_direct(server: &Uri, exceptions: &str) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if is_loopback || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    // With a leading dot, a domain's subdomains are meant and not the domain, which the matcher counts in.
    let is_meant =
        |entry: &&str| !entry.strip_prefix('.').is_some_and(|name| name.eq_ignore_ascii_case(host));
    let exceptions = exceptions.split(',').filter_map(|entry| exception(entry.trim(), port));
    let exceptions: Vec<_> = exceptions.filter(is_meant).collect();
    if exceptions.contains(&"*") {
        return true;
    }
    let matcher = Matcher::builder().all("http://proxy").no(exceptions.join(",")).build();
    matcher.intercept(server).is_none()
}

/// An entry of `NO_PROXY` without its port and its wildcard; none where it is for another port.
fn exception(entry: &str, port: u16) -> Option<&str> {
    let entry = match entry.rsplit_once(':') {
        // An IPv6 address has more than one colon, unless it is in brackets.
        Some((host, number)) if !host.contains(':') || host.ends_with(']') => {
            (number.parse() == Ok(port)).then_some(host)?
        }
        _ => entry,
    };
    let entry = entry.trim_matches(['[', ']']);
    Some(entry.strip_prefix("*.").map_or(entry, |domain| &entry[entry.len() - domain.len() - 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://api.example.org:6443";

    fn chosen(
        server: &str,
        from_kubeconfig: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let uri = choose(&server.parse().unwrap(), from_kubeconfig, find)?;
        Ok(uri.map(|uri| uri.to_string()).unwrap_or_default())
    }

    #[test]
    fn the_proxy_is_the_kubeconfig_s_or_else_that_of_the_environment() {
        type Case =
            (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)], &'static str);
        const PROXY: &[(&str, &str)] = &[("HTTPS_PROXY", "http://proxy:3128")];
        let cases: [Case; 12] = [
            (SERVER, None, &[], ""),
            (SERVER, None, PROXY, "http://proxy:3128/"),
            (SERVER, None, &[("https_proxy", "http://proxy:3128")], "http://proxy:3128/"),
            (SERVER, None, &[("HTTPS_PROXY", " "), ("https_proxy", "http://b:1")], "http://b:1/"),
            (SERVER, None, &[("HTTPS_PROXY", "proxy:3128")], "http://proxy:3128/"),
            (SERVER, None, &[("HTTP_PROXY", "http://proxy:3128")], ""),
            ("http://api.example.org", None, &[("HTTP_PROXY", "http://proxy:3128")], "http://proxy:3128/"),
            (SERVER, Some("socks5://socks:1080"), PROXY, "socks5://socks:1080/"),
            (SERVER, Some("socks5h://socks:1080"), &[], "socks5://socks:1080/"),
            (SERVER, Some("http://mine:1"), &[("NO_PROXY", "*")], "http://mine:1/"),
            ("https://127.0.0.1:6443", Some("http://mine:1"), &[], "http://mine:1/"),
            (SERVER, Some(""), PROXY, "http://proxy:3128/"),
        ];
        for (server, from_kubeconfig, variables, expected) in cases {
            let found = chosen(server, from_kubeconfig, variables);
            assert_eq!(found.as_deref(), Ok(expected), "{server} {from_kubeconfig:?} {variables:?}");
        }
    }

    #[test]
    fn no_proxy_and_loopback_are_exceptions() {
        let cases = [
            (SERVER, "*", true),
            ("https://10.1.2.3:6443", "*", true),
            (SERVER, "api.example.org", true),
            (SERVER, "example.org", true),
            (SERVER, ".example.org", true),
            (SERVER, "*.example.org", true),
            (SERVER, "EXAMPLE.org", true),
            (SERVER, "ample.org", false),
            (SERVER, "api.example.org:6443", true),
            (SERVER, "api.example.org:443", false),
            (SERVER, "localhost, 10.0.0.0/8,", false),
            (SERVER, ",, example.org", true),
            ("https://10.1.2.3:6443", "10.0.0.0/8", true),
            ("https://10.1.2.3:6443", "10.1.2.3", true),
            ("https://10.1.2.3:6443", "10.1.2.3:6443", true),
            ("https://11.1.2.3:6443", "10.0.0.0/8", false),
            ("https://[fd00::1]:6443", "fd00::/8", true),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", true),
            ("https://[fd00::1]:6443", "fd00::2", false),
            ("https://127.0.0.1:6443", "", true),
            ("https://[::1]:6443", "", true),
            ("https://localhost:6443", "", true),
            ("https://example.org", "example.org", true),
            ("https://example.org", ".example.org", false),
            ("https://example.org", "*.example.org", false),
            ("https://EXAMPLE.org", ".example.ORG", false),
            ("https://example.org:6443", ".example.org:6443", false),
            ("https://example.org", ".example.org, example.org", true),
            (SERVER, ".example.org:6443", true),
            ("https://a.api.example.org", ".example.org", true),
        ];
        for (server, exceptions, direct) in cases {
            let variables = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", exceptions)];
            let found = chosen(server, None, &variables).unwrap();
            assert_eq!(found.is_empty(), direct, "{server} {exceptions:?}: {found}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        let cases = [
            (
                Some("ftp://me:secret@proxy"),
                "the kubeconfig's proxy-url has the scheme `ftp`: use http, https or socks5",
            ),
            (
                Some("http://me:secret@"),
                "the kubeconfig's proxy-url isn't a URL: it should look like http://proxy:3128",
            ),
            (None, "HTTPS_PROXY isn't a URL: it should look like http://proxy:3128"),
        ];
        for (from_kubeconfig, expected) in cases {
            let found = chosen(SERVER, from_kubeconfig, &[("HTTPS_PROXY", "http://me:secret@ proxy")]);
            assert_eq!(found.unwrap_err(), expected);
        }
    }
}
