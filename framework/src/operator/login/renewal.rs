//! Renewal: another client in place of one that the API server rejects, by one login at a time.
//!
//! A login is a task of its own: a request that is dropped doesn't end it, and a plugin that hangs is not run once more by
//! the next request. A request waits for it for a while only.

use futures::future::BoxFuture;
use kube::Client;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What a login comes to; none where the credentials are those that are known.
pub type LoggedIn = Result<Option<Entry>, String>;

/// Logs in, unless by the credentials with this fingerprint.
pub type LogIn = Box<dyn Fn(Option<u64>) -> BoxFuture<'static, LoggedIn> + Send + Sync>;

/// A client that has logged in.
#[derive(Clone)]
pub struct Entry {
    pub client: Client,
    /// Tells its credentials from others.
    pub fingerprint: u64,
    /// The program that its token comes from, for people.
    pub plugin: Option<String>,
}

/// The client that is used now.
#[derive(Clone)]
pub struct Current {
    pub entry: Entry,
    /// Tells it from those before.
    number: u64,
}

/// Why another client may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The API server rejects the credentials.
    Rejected,
    /// There is no answer: the kubeconfig may say by now where else to ask.
    Unreachable,
}

/// Delays of logins.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// The least time between two logins for the same reason.
    pub between: Duration,
    /// The longest time that requests wait for one, after it has begun.
    pub wait: Duration,
}

/// The client that is used, and the logins that replace it.
pub struct Renewal {
    log_in: LogIn,
    delays: Delays,
    /// Why a login may take long, for people.
    suspicion: &'static str,
    state: Mutex<State>,
}

struct State {
    current: Current,
    /// The last login, which may be running.
    last: Option<Login>,
    /// When logins were begun, after the first one. What was tried while the server was away says nothing about a rejection.
    after_rejection: Option<Instant>,
    after_outage: Option<Instant>,
    /// Why the last login has failed.
    why_not: Option<String>,
    /// There was a new client after a rejection, and nobody knows yet whether that helps.
    is_unproven: bool,
}

/// A login that has begun.
#[derive(Clone)]
struct Login {
    trouble: Trouble,
    /// Requests wait until then.
    until: Instant,
    /// Cancelled when it has ended, in whatever way.
    ended: CancellationToken,
}

impl Renewal {
    /// A client that has logged in, and the way to log in again.
    pub fn new(entry: Entry, delays: Delays, suspicion: &'static str, log_in: LogIn) -> Self {
        let current = Current { entry, number: 0 };
        let state = State {
            current,
            last: None,
            after_rejection: None,
            after_outage: None,
            why_not: None,
            is_unproven: false,
        };
        Self { log_in, delays, suspicion, state: Mutex::new(state) }
    }

    /// The client that is used now.
    pub fn current(&self) -> Current {
        self.state().current.clone()
    }

    /// Why the last login has failed, if it has.
    pub fn why_not(&self) -> Option<String> {
        self.state().why_not.clone()
    }

    /// Takes in that the API server accepts the credentials. Returns whether a login after a rejection has led to that.
    pub fn prove(&self) -> bool {
        mem::take(&mut self.state().is_unproven)
    }

    /// A client that has logged in since; none where that was tried a moment ago, fails, takes long, or would change nothing.
    pub async fn instead_of(self: &Arc<Self>, used: &Current, trouble: Trouble) -> Option<Entry> {
        while let Some(login) = self.login(used, trouble) {
            let in_time = timeout_at(login.until, login.ended.cancelled()).await.is_ok();
            if !in_time {
                self.note_delay(&login);
            }
            // What was tried for want of an answer may have kept the credentials that are rejected.
            if !in_time || login.trouble == Trouble::Rejected || trouble == Trouble::Unreachable {
                break;
            }
        }
        let current = self.current();
        (current.number != used.number).then_some(current.entry)
    }

    /// The login to wait for: the one that runs, or one that it begins.
    fn login(self: &Arc<Self>, used: &Current, trouble: Trouble) -> Option<Login> {
        let mut state = self.state();
        if state.current.number != used.number {
            return None;
        }
        if let Some(running) = state.last.as_ref().filter(|login| !login.ended.is_cancelled()) {
            return Some(running.clone());
        }
        let now = Instant::now();
        let tried = match trouble {
            Trouble::Rejected => &mut state.after_rejection,
            Trouble::Unreachable => &mut state.after_outage,
        };
        if tried.is_some_and(|tried| now - tried < self.delays.between) {
            return None;
        }
        *tried = Some(now);
        let login = Login { trouble, until: now + self.delays.wait, ended: CancellationToken::new() };
        state.last = Some(login.clone());
        let known = (trouble == Trouble::Unreachable).then_some(state.current.entry.fingerprint);
        let (renewal, ended) = (Arc::clone(self), login.ended.clone().drop_guard());
        let logging_in = async move {
            let logged_in = (renewal.log_in)(known).await;
            renewal.take_in(logged_in, trouble);
            drop(ended);
        };
        tokio::spawn(logging_in.in_current_span());
        Some(login)
    }

    fn take_in(&self, logged_in: LoggedIn, trouble: Trouble) {
        let mut state = self.state();
        state.why_not = None;
        match logged_in {
            Ok(Some(entry)) => {
                state.current = Current { entry, number: state.current.number + 1 };
                state.is_unproven |= trouble == Trouble::Rejected;
            }
            Ok(None) => {}
            Err(why) => state.why_not = Some(why),
        }
    }

    fn note_delay(&self, login: &Login) {
        let mut state = self.state();
        // It may have ended just now.
        if !login.ended.is_cancelled() {
            let wait = self.delays.wait;
            state.why_not = Some(format!("the login has not ended after {wait:?}: {}", self.suspicion));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
