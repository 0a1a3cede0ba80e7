//! Answers of the health server: a function of the request and of what is known.

use super::Health;
use crate::runtime::observe::metrics::{Format, Metrics};
use http::{Method, StatusCode, request::Parts};
use korf_core::health::Report;

/// The path of metrics.
pub const METRICS: &str = "/metrics";

/// What is served at one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthSite {
    /// `/livez` and `/readyz`.
    pub has_own: bool,
    /// The path of the probes.
    pub probes: Option<String>,
    /// What `/metrics` shows.
    pub metrics: Option<Metrics>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `/livez`.
    Live,
    /// `/readyz`.
    Ready,
    /// The results of the probes.
    Probes,
    /// `/metrics`.
    Metrics,
    /// Something that there is by GET and HEAD alone.
    Otherwise,
    /// Something that isn't there.
    Nothing,
}

impl HealthSite {
    /// The paths, for people.
    pub fn paths(&self) -> String {
        let own = if self.has_own { &["/livez", "/readyz"][..] } else { &[] };
        let metrics = self.metrics.as_ref().map(|_| METRICS);
        let all = own.iter().copied().chain(self.probes.as_deref()).chain(metrics);
        all.collect::<Vec<_>>().join(", ")
    }

    /// Whether it has metrics alone.
    pub fn is_of_metrics(&self) -> bool {
        self.metrics.is_some() && !self.has_own && self.probes.is_none()
    }

    /// What is asked for by this method and at this path.
    pub fn asked(&self, method: &Method, path: &str) -> Asked {
        let asked = match path {
            "/livez" if self.has_own => Asked::Live,
            "/readyz" if self.has_own => Asked::Ready,
            METRICS if self.metrics.is_some() => Asked::Metrics,
            path if self.probes.as_deref() == Some(path) => Asked::Probes,
            _ => return Asked::Nothing,
        };
        if matches!(*method, Method::GET | Method::HEAD) { asked } else { Asked::Otherwise }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthAnswer {
    /// The status code.
    pub status: StatusCode,
    /// The body.
    pub text: String,
    /// The type of the body.
    pub content: &'static str,
}

impl HealthAnswer {
    fn plain(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), content: "text/plain; charset=utf-8" }
    }

    fn json(status: StatusCode, text: String) -> Self {
        Self { status, text, content: "application/json" }
    }

    async fn metrics(site: &HealthSite, format: Format) -> Self {
        let text = match &site.metrics {
            Some(metrics) => metrics.text(format).await,
            None => String::new(),
        };
        Self { status: StatusCode::OK, text, content: format.content_type() }
    }

    /// That of a report. The code is the one of kube-apiserver, and of all that follow it.
    pub fn of(report: &Report, is_verbose: bool) -> Self {
        let status = if report.has_passed() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self::plain(status, report.text(is_verbose))
    }
}

impl Health {
    /// The answer to a request.
    pub async fn answer(&self, site: &HealthSite, request: &Parts) -> HealthAnswer {
        let is_verbose = || request.uri.query().is_some_and(is_verbose);
        match site.asked(&request.method, request.uri.path()) {
            Asked::Live => HealthAnswer::of(&self.live(), is_verbose()),
            Asked::Ready => HealthAnswer::of(&self.ready(), is_verbose()),
            Asked::Probes => self.probes().await,
            Asked::Metrics => HealthAnswer::metrics(site, Format::asked(&request.headers)).await,
            Asked::Otherwise => {
                HealthAnswer::plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n")
            }
            Asked::Nothing => HealthAnswer::plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
        }
    }

    /// What Kopf answers: what the probes have returned. Probes of an operator that isn't alive aren't waited for.
    async fn probes(&self) -> HealthAnswer {
        let live = self.live();
        if !live.has_passed() {
            return HealthAnswer::of(&live, false);
        }
        let Some(probes) = self.known_probes() else {
            return HealthAnswer::json(StatusCode::OK, "{}".to_owned());
        };
        let answer = probes.answer().await;
        let status = if probes.has_failed() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        HealthAnswer::json(status, answer.to_string())
    }
}

/// Whether a query has `verbose`, as that of the API server.
fn is_verbose(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("verbose"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_there_where_it_was_asked_for_and_by_get_and_head_alone() {
        let own = HealthSite { has_own: true, ..HealthSite::default() };
        let probes = HealthSite { probes: Some("/healthz".to_owned()), ..HealthSite::default() };
        let metrics = Metrics::new("lamps", Health::default());
        let metrics = HealthSite { metrics: Some(metrics), ..HealthSite::default() };
        let both = HealthSite { has_own: true, ..probes.clone() };
        for (site, method, path, asked) in [
            (&own, Method::GET, "/livez", Asked::Live),
            (&own, Method::HEAD, "/readyz", Asked::Ready),
            (&own, Method::POST, "/readyz", Asked::Otherwise),
            (&own, Method::GET, "/healthz", Asked::Nothing),
            (&own, Method::GET, "/livez/", Asked::Nothing),
            (&own, Method::GET, "/metrics", Asked::Nothing),
            (&probes, Method::GET, "/livez", Asked::Nothing),
            (&probes, Method::GET, "/healthz", Asked::Probes),
            (&probes, Method::DELETE, "/healthz", Asked::Otherwise),
            (&metrics, Method::GET, "/livez", Asked::Nothing),
            (&metrics, Method::GET, "/metrics", Asked::Metrics),
            (&metrics, Method::POST, "/metrics", Asked::Otherwise),
            (&both, Method::GET, "/livez", Asked::Live),
            (&both, Method::GET, "/healthz", Asked::Probes),
        ] {
            assert_eq!(site.asked(&method, path), asked, "{method} {path} of {site:?}");
        }
        assert_eq!(
            (own.paths(), both.paths()),
            ("/livez, /readyz".into(), "/livez, /readyz, /healthz".into())
        );
    }

    #[test]
    fn a_query_is_verbose_as_the_api_server_takes_it() {
        for (query, expected) in [
            ("verbose", true),
            ("verbose=", true),
            ("verbose=1&x=2", true),
            ("x=verbose", false),
            ("verbos", false),
            ("", false),
        ] {
            assert_eq!(is_verbose(query), expected, "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_answer_of_500() {
        let health = Health::default();
        let live = HealthAnswer::of(&health.live(), false);
        assert_eq!((live.status, &*live.text), (StatusCode::OK, "ok"));
        let ready = HealthAnswer::of(&health.ready(), false);
        assert_eq!(ready.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(ready.text.starts_with("[-]start-up failed: the operator starts\n"), "{ready:?}");
    }
}
