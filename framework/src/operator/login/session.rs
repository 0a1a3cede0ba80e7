//! Session: the operator's clients, which log in again when the API server no longer accepts the credentials.
//!
//! Whatever the credentials were read from is read again then: the kubeconfig, the files that it names, the plugin that it
//! runs. The request that was rejected is sent once more, so that nobody notices. Where the API server can't be reached, it
//! may be elsewhere by now: the kubeconfig is read again, too, and used if it has changed.

use super::{
    Source,
    credentials::Credentials,
    renewal::{Delays, Entry, LoggedIn, Renewal, Trouble},
};
use crate::{
    runtime::{
        login_error,
        observe::{Observation, Observer},
    },
    settings::Settings,
};
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, StatusCode};
use kube::{
    Client,
    client::{Body, retry::RetryPolicy},
};
use std::{
    fmt,
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
    patience: Duration,
    observer: Observer,
    default_namespace: String,
    renewal: Arc<Renewal>,
    /// When a rejection could not be helped first, since the API server has last accepted the credentials.
    rejected_since: Mutex<Option<Instant>>,
    rejected: CancellationToken,
}

/// What an answer says about the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    In(Trouble),
    /// Nothing: it may be that of a load balancer, which doesn't look at them.
    Nothing,
}

// By hand: a client holds credentials.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in, and again from this source, until `ended`.
    ///
    /// # Errors
    /// A file can't be read, or a plugin fails.
    pub async fn begin(
        credentials: Credentials,
        source: Arc<Source>,
        settings: &Settings,
        observer: &Observer,
        ended: CancellationToken,
    ) -> Result<Self, String> {
        let entry = enter(&credentials).await?;
        let delays = Delays {
            between: settings.login.renewal_delay,
            // A request has to end before its time is over, or nobody learns of its rejection.
            wait: settings.requests.timeout / 2,
        };
        let suspicion = source.suspicion();
        let log_in = move |known| {
            let (source, ended) = (Arc::clone(&source), ended.clone());
            async move { ended.run_until_cancelled(log_in(&source, known)).await.unwrap_or(Ok(None)) }.boxed()
        };
        let renewal = Renewal::new(entry, delays, suspicion, Box::new(log_in));
        let default_namespace = credentials.default_namespace().to_owned();
        Ok(Self::new(renewal, default_namespace, settings.login.patience, observer))
    }

    fn new(renewal: Renewal, default_namespace: String, patience: Duration, observer: &Observer) -> Self {
        Self(Arc::new(Shared {
            patience,
            observer: observer.clone(),
            default_namespace,
            renewal: Arc::new(renewal),
            rejected_since: Mutex::default(),
            rejected: CancellationToken::new(),
        }))
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
        let current = self.renewal.current();
        let answer = send(&current.entry, Request::from_parts(parts, body)).await;
        let Verdict::In(trouble) = self.judge(&answer) else { return answer };
        let renewed = self.renewal.instead_of(&current, trouble).await;
        // Without an answer, it may have been carried out.
        let again = again.filter(|again| trouble == Trouble::Rejected || again.method().is_safe());
        let answer = match (renewed, again) {
            (Some(entry), Some(again)) => send(&entry, again).await,
            _ => answer,
        };
        if self.judge(&answer) == Verdict::In(Trouble::Rejected) {
            self.still_rejected();
        }
        answer
    }

    /// Judges an answer. One that accepts the credentials ends a series of rejections.
    fn judge(&self, answer: &kube::Result<Response<Body>>) -> Verdict {
        let verdict = verdict(answer.as_ref().ok().map(Response::status));
        if verdict == Verdict::Accepted {
            let renewed = self.renewal.prove();
            if lock(&self.rejected_since).take().is_some() || renewed {
                self.observer.observe(Observation::LoginRenewed);
            }
        }
        verdict
    }

    /// Takes in a rejection that could not be helped.
    fn still_rejected(&self) {
        let since = *lock(&self.rejected_since).get_or_insert_with(|| {
            let why = self.renewal.why_not();
            self.observer
                .observe(Observation::LoginRejected { why: why.as_deref(), patience: self.patience });
            Instant::now()
        });
        if since.elapsed() >= self.patience {
            self.rejected.cancel();
        }
    }
}

/// Judges an answer by its status; without one, there was no answer.
fn verdict(status: Option<StatusCode>) -> Verdict {
    match status {
        None => Verdict::In(Trouble::Unreachable),
        Some(StatusCode::UNAUTHORIZED) => Verdict::In(Trouble::Rejected),
        Some(status) if status.is_server_error() => Verdict::Nothing,
        Some(_) => Verdict::Accepted,
    }
}

/// Sends a request. What kube says of a plugin that it has run for a new token is not passed on: handlers may log it.
async fn send(entry: &Entry, request: Request<Body>) -> kube::Result<Response<Body>> {
    entry.client.send(request).await.map_err(|error| match login_error::find(&error) {
        Some(found) => kube::Error::Service(login_error::explain(found, entry.plugin.as_deref()).into()),
        None => error,
    })
}

async fn enter(credentials: &Credentials) -> Result<Entry, String> {
    let client = credentials.client().await?;
    Ok(Entry { client, fingerprint: credentials.fingerprint(), plugin: credentials.plugin() })
}

async fn log_in(source: &Source, known: Option<u64>) -> LoggedIn {
    match source.instead_of(known).await? {
        Some(credentials) => enter(&credentials).await.map(Some),
        None => Ok(None),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
