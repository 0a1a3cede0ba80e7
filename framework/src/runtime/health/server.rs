//! Server of health: a thread of its own, which answers also when all threads of the operator are blocked.
//!
//! Anybody who reaches the address may connect. So connections are few and short, and where there are too many, the oldest makes
//! room: a probe is answered at once.

use super::{Health, HealthAnswer, HealthSite};
use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Builder,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The most connections at one address.
const MOST_CONNECTIONS: usize = 64;
/// The longest time until a request has arrived.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The longest time of a connection, with its answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// The time between two tries to accept a connection, where the process has none left.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);
/// The most bytes of a request; hyper takes no smaller number.
const REQUEST_SIZE: usize = 8192;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct HealthServer {
    stop: CancellationToken,
    ended: CancellationToken,
}

/// What is served where.
#[derive(Debug)]
pub struct Served {
    listener: TcpListener,
    site: HealthSite,
}

impl Served {
    /// Listens at an address.
    ///
    /// # Errors
    /// It can't be listened at.
    pub fn bind(address: SocketAddr, site: HealthSite) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, site })
    }

    /// The address: with the port that the system has chosen, where 0 was given.
    ///
    /// # Errors
    /// The system doesn't tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The paths, for people.
    pub fn paths(&self) -> String {
        self.site.paths()
    }
}

impl HealthServer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The process can't have another thread.
    pub fn start(served: Vec<Served>, health: &Health) -> io::Result<Self> {
        let server = Self { stop: CancellationToken::new(), ended: CancellationToken::new() };
        let (stop, ended) = (server.stop.clone(), server.ended.clone().drop_guard());
        let health = health.clone();
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        thread::Builder::new().name("korf-health".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut sites = JoinSet::new();
                for Served { listener, site } in served {
                    sites.spawn(serve(listener, Arc::new(site), health.clone()));
                }
                stop.cancelled().await;
                sites.shutdown().await;
            });
            drop(runtime);
            drop(ended);
        })?;
        Ok(server)
    }

    /// Ends it, so that others can listen at its addresses.
    pub async fn end(self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Accepts connections until it is dropped.
async fn serve(listener: TcpListener, site: Arc<HealthSite>, health: Health) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_DELAY).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= MOST_CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        oldest_first.push_back(connections.spawn(connected(stream, Arc::clone(&site), health.clone())));
    }
}

/// Answers one request.
async fn connected(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    site: Arc<HealthSite>,
    health: Health,
) {
    let respond = |request: Request<Incoming>| {
        let (site, health) = (Arc::clone(&site), health.clone());
        let (parts, _) = request.into_parts();
        async move { Ok::<_, Infallible>(respond(&site, &health, &parts).await) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .keep_alive(false)
        .max_buf_size(REQUEST_SIZE)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    // A client that breaks off, or sends something that is no request, concerns nobody else.
    let _ = timeout(CONNECTION_LIMIT, connection).await;
}

async fn respond(site: &HealthSite, health: &Health, request: &Parts) -> Response<Full<Bytes>> {
    let HealthAnswer { status, text, content } = health.answer(site, request).await;
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests;
