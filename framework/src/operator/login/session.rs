//! Session: the operator's clients, which log in again when the API server no longer accepts the credentials.
//!
//! Whatever the credentials were read from is read again then: the kubeconfig, the files that it names, the plugin that it
//! runs. The request that was rejected is sent once more, so that nobody notices. Where the API server can't be reached, it
//! may be elsewhere by now: the kubeconfig is read again, too, and used if it has changed.

use super::credentials::Credentials;
use crate::{
    runtime::observe::{Observation, Observer},
    settings::Settings,
};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use kube::{
    Client,
    client::{Body, retry::RetryPolicy},
};
use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, retry::Retry};

/// Delays and number of the tries that kube makes of a request of a handler, where the server is too busy for it.
const HANDLERS_TRIES: (Duration, Duration, u32) = (Duration::from_millis(500), Duration::from_secs(5), 3);

/// The API server as a service: cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    settings: Settings,
    observer: Observer,
    default_namespace: String,
    current: Mutex<Current>,
    /// Only one request at a time logs in.
    renewal: tokio::sync::Mutex<Renewal>,
    rejections: Mutex<Rejections>,
    rejected: CancellationToken,
}

/// The client that is used now.
#[derive(Clone)]
struct Current {
    client: Client,
    /// Tells it from those before.
    number: u64,
}

/// The last login.
struct Renewal {
    /// When it was tried, after the first one.
    tried: Option<Instant>,
    /// The credentials that are used.
    fingerprint: u64,
    /// Why it has failed.
    why_not: Option<String>,
}

/// The series of answers that reject the credentials, up to one that accepts them.
#[derive(Default)]
struct Rejections {
    /// When a rejection could not be helped first.
    since: Option<Instant>,
    /// The operator has logged in again, and nobody knows yet whether that helps.
    renewed: bool,
}

// By hand: a client holds credentials.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in.
    ///
    /// # Errors
    /// A file can't be read, or a plugin fails.
    pub async fn begin(
        credentials: Credentials,
        settings: &Settings,
        observer: &Observer,
    ) -> Result<Self, String> {
        let client = credentials.client().await?;
        Ok(Self(Arc::new(Shared {
            settings: settings.clone(),
            observer: observer.clone(),
            default_namespace: credentials.default_namespace().to_owned(),
            current: Mutex::new(Current { client, number: 0 }),
            renewal: tokio::sync::Mutex::new(Renewal {
                tried: None,
                fingerprint: credentials.fingerprint(),
                why_not: None,
            }),
            rejections: Mutex::default(),
            rejected: CancellationToken::new(),
        })))
    }

    /// A client that sends each request once, and once more where it had to log in again.
    pub fn client(&self) -> Client {
        Client::new(self.clone(), self.0.default_namespace.clone())
    }

    /// A client that waits a few times, for seconds, while the server is too busy.
    pub fn client_for_handlers(&self) -> Client {
        let (shortest, longest, tries) = HANDLERS_TRIES;
        match RetryPolicy::new(shortest, longest, tries, true) {
            Ok(policy) => Client::new(Retry::new(policy, self.clone()), self.0.default_namespace.clone()),
            Err(_) => self.client(),
        }
    }

    /// Cancelled once the credentials were rejected for so long that only a new process can help.
    pub fn rejected(&self) -> CancellationToken {
        self.0.rejected.clone()
    }
}

impl Service<Request<Body>> for Session {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { Ok(shared.send(request).await?) })
    }
}

impl Shared {
    async fn send(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let again = body.try_clone().map(|body| Request::from_parts(parts.clone(), body));
        let current = lock(&self.current).clone();
        let answer = current.client.send(Request::from_parts(parts, body)).await;
        if self.is_accepted(&answer) {
            return answer;
        }
        let renewed = self.renewed(&current, answer.is_ok()).await;
        let answer = match (renewed, again) {
            (Some(client), Some(again)) => client.send(again).await,
            _ => answer,
        };
        if !self.is_accepted(&answer) && answer.is_ok() {
            self.still_rejected().await;
        }
        answer
    }

    /// Whether the server has accepted the credentials.
    fn is_accepted(&self, answer: &kube::Result<Response<Body>>) -> bool {
        let accepted = matches!(answer, Ok(response) if response.status() != StatusCode::UNAUTHORIZED);
        if accepted {
            let rejections = mem::take(&mut *lock(&self.rejections));
            if rejections.renewed || rejections.since.is_some() {
                self.observer.observe(Observation::LoginRenewed);
            }
        }
        accepted
    }

    /// A client that has logged in since; none where that was tried a moment ago, fails, or would change nothing.
    async fn renewed(&self, last: &Current, rejected: bool) -> Option<Client> {
        let mut renewal = self.renewal.lock().await;
        let current = lock(&self.current).clone();
        if current.number != last.number {
            return Some(current.client);
        }
        let delay = self.settings.login.renewal_delay;
        if renewal.tried.is_some_and(|tried| tried.elapsed() < delay) {
            return None;
        }
        renewal.tried = Some(Instant::now());
        let known = (!rejected).then_some(renewal.fingerprint);
        match self.login(known).await {
            Ok(None) => None,
            Ok(Some((client, fingerprint))) => {
                (renewal.fingerprint, renewal.why_not) = (fingerprint, None);
                *lock(&self.current) = Current { client: client.clone(), number: current.number + 1 };
                lock(&self.rejections).renewed |= rejected;
                Some(client)
            }
            Err(why) => {
                renewal.why_not = Some(why);
                None
            }
        }
    }

    /// Logs in, unless by the credentials that are known.
    async fn login(&self, known: Option<u64>) -> Result<Option<(Client, u64)>, String> {
        let credentials = Credentials::find(&self.settings).await?;
        if known == Some(credentials.fingerprint()) {
            return Ok(None);
        }
        Ok(Some((credentials.client().await?, credentials.fingerprint())))
    }

    /// Takes in a rejection that could not be helped.
    async fn still_rejected(&self) {
        let why = self.renewal.lock().await.why_not.clone();
        let (since, patience) = (lock(&self.rejections).since, self.settings.login.patience);
        match since {
            None => {
                lock(&self.rejections).since = Some(Instant::now());
                self.observer.observe(Observation::LoginRejected { why: why.as_deref(), patience });
            }
            Some(since) if since.elapsed() >= patience => self.rejected.cancel(),
            Some(_) => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
