//! Traces: spans on their way to an OpenTelemetry collector, by OTLP over HTTP.

use crate::logging::{OBJECTS, operator::OPERATORS};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use serde_json::Value;
use std::{
    env,
    error::Error,
    fmt, io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// The variables that name the collector. The first one is its whole URL; `/v1/traces` is added to the second one.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// The longest time of a request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The longest answer.
const ANSWER_SIZE: usize = 64 * 1024;
/// The longest time that the end of a program waits for what is left.
const LAST_LIMIT: Duration = Duration::from_secs(5);

/// Sends spans to an OpenTelemetry collector: those of korf (turns, handlers, PATCHes), and all others of level INFO or above.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Traces can't be sent: the address of the collector is none, or the process can't send.
#[derive(Debug)]
pub struct BadTraces(String);

impl fmt::Display for BadTraces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "traces can't be sent: {}. Set OTEL_EXPORTER_OTLP_ENDPOINT to the URL of a collector that takes OTLP over HTTP, such as \
             http://collector:4318, or unset it",
            self.0
        )
    }
}

impl Error for BadTraces {}

impl Traces {
    /// To the collector that the environment names, if it names one: `OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318`.
    ///
    /// `service` is the name under which they appear, unless `OTEL_SERVICE_NAME` has another one.
    ///
    /// # Errors
    /// That is no URL.
    pub fn from_env(service: &str, version: &str) -> Result<Option<Self>, BadTraces> {
        let named = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
        match ENDPOINTS.iter().find(|name| named(name)) {
            Some(_) => Self::new(None, service, version).map(Some),
            None => Ok(None),
        }
    }

    /// To the collector at this URL: `http://collector:4318/v1/traces`.
    ///
    /// # Errors
    /// That is no URL.
    pub fn to(url: &str, service: &str, version: &str) -> Result<Self, BadTraces> {
        Self::new(Some(url), service, version)
    }

    fn new(url: Option<&str>, service: &str, version: &str) -> Result<Self, BadTraces> {
        let sender = Sender::new().map_err(|error| BadTraces(error.to_string()))?;
        let mut exporter = SpanExporter::builder().with_http().with_http_client(sender);
        if let Some(url) = url {
            exporter = exporter.with_endpoint(url);
        }
        let exporter = exporter.build().map_err(|error| BadTraces(crate::error::with_causes(&error)))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource(service, version));
        Ok(Self { provider: provider.build() })
    }

    /// The layer of a subscriber. It takes no events: what the log says isn't sent.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("korf"));
        let layer =
            layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(filter_fn(is_sent))
    }

    /// Sends what is left, for 5 seconds at most.
    pub fn end(&self) {
        let _ = self.provider.shutdown_with_timeout(LAST_LIMIT);
    }
}

/// Whether a span is sent. Those of objects and operators are for the log: turns have the same fields.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= Level::INFO
        && ![OBJECTS, OPERATORS].contains(&metadata.target())
}

/// The ids of the trace and the span in which something is logged, if it is in one that is sent.
pub fn ids() -> impl Iterator<Item = (&'static str, Value)> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    let ids =
        [("trace_id", span.trace_id().to_string().into()), ("span_id", span.span_id().to_string().into())];
    span.is_sampled().then_some(ids).into_iter().flatten()
}

/// What all spans have in common.
fn resource(service: &str, version: &str) -> Resource {
    let is_named = |name| env::var(name).is_ok_and(|value: String| !value.is_empty());
    let is_named = is_named("OTEL_SERVICE_NAME")
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|value| value.contains("service.name="));
    let mut resource = Resource::builder();
    if !is_named {
        resource = resource.with_service_name(service.to_owned());
    }
    if !version.is_empty() {
        resource = resource.with_attribute(KeyValue::new("service.version", version.to_owned()));
    }
    resource.build()
}

/// Sends requests, from the thread of the exporter, which no runtime has.
struct Sender {
    /// None once it is being dropped.
    runtime: Option<Runtime>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// The log has told that it fails.
    fails: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    fn new() -> io::Result<Self> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots()?;
        let connector = connector.https_or_http().enable_http1().build();
        let mut client = Client::builder(TokioExecutor::new());
        // Between two requests, nothing would see that the collector has closed a connection.
        client.pool_max_idle_per_host(0);
        Ok(Self {
            runtime: Some(Builder::new_current_thread().enable_all().build()?),
            client: client.build(connector),
            fails: AtomicBool::new(false),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, Limited::new(body, ANSWER_SIZE).collect().await?.to_bytes()))
    }

    /// Tells when it begins to fail, and when it works again.
    fn tell(&self, url: &str, failure: Option<&str>) {
        match (self.fails.swap(failure.is_some(), Ordering::Relaxed), failure) {
            (false, Some(why)) => tracing::warn!(
                target: "korf::engine",
                "Traces can't be sent to {url}: {why}. Those that don't arrive are dropped; it is tried on."
            ),
            (true, None) => tracing::info!(target: "korf::engine", "Traces are sent to {url} again."),
            _ => {}
        }
    }
}

/// The thread that lets go of it last may be in a runtime, where another one can't be waited for.
impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().to_string();
        let in_time = async { timeout(REQUEST_LIMIT, self.send(request)).await };
        let sent = match &self.runtime {
            Some(runtime) => runtime.block_on(in_time),
            None => in_time.await,
        };
        let seconds = REQUEST_LIMIT.as_secs();
        let sent = sent.unwrap_or_else(|_| Err(format!("no answer within {seconds} seconds").into()));
        let failure = match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the answer is {}", response.status())),
            Err(error) => Some(crate::error::with_causes(&**error)),
        };
        self.tell(&url, failure.as_deref());
        sent
    }
}
