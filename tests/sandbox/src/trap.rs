//! Trap: a place in front of a server where the world of a client stops at one of its calls.
//!
//! A proxy counts the calls that go through it, each of which has an answer. At the chosen one it holds the client's call, or
//! the server's answer, and says so. Then a test can kill the client, and know what the server has done by then.

mod kubernetes;
mod postgres;

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Error, Result};

/// The side of a call on which the world stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server doesn't get the call.
    Before,
    /// The server gets the call, and the client is told nothing any more. The server may be at work when the client is killed.
    Underway,
    /// The server has answered, and the client doesn't get the answer.
    Answered,
}

impl Moment {
    /// All of them, in the order of time.
    pub const ALL: [Self; 3] = [Self::Before, Self::Underway, Self::Answered];
}

/// A count of calls, and the one at which the world stops. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Trap(Arc<State>);

#[derive(Debug)]
struct State {
    at: Option<(usize, Moment)>,
    calls: Mutex<Vec<String>>,
    has_sprung: watch::Sender<bool>,
}

impl Trap {
    /// A trap that springs at a call, counted from 1.
    pub fn at(call: usize, moment: Moment) -> Self {
        Self::new(Some((call, moment)))
    }

    /// A trap that only counts.
    pub fn never() -> Self {
        Self::new(None)
    }

    fn new(at: Option<(usize, Moment)>) -> Self {
        Self(Arc::new(State { at, calls: Mutex::default(), has_sprung: watch::Sender::new(false) }))
    }

    /// The calls so far, each in words: a method with its path, or a statement.
    pub fn calls(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Waits until the trap has sprung.
    pub async fn sprung(&self) {
        // The sender is in this trap, so it isn't gone.
        let _ = self.0.has_sprung.subscribe().wait_for(|has_sprung| *has_sprung).await;
    }

    /// Counts a call. Returns the moment, if this is the call.
    fn count(&self, call: String) -> Option<Moment> {
        let mut calls = self.lock();
        calls.push(call);
        self.0.at.filter(|(at, _)| *at == calls.len()).map(|(_, moment)| moment)
    }

    /// Springs, and holds the caller until it is dropped.
    async fn spring<T>(&self) -> T {
        self.0.has_sprung.send_replace(true);
        pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy with a [`Trap`]. It runs on the tokio runtime that it is created on. When it is dropped, all its connections are
/// closed.
#[derive(Debug)]
pub struct TrapProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl TrapProxy {
    /// Starts a proxy in front of PostgreSQL, for clients without TLS. A call is a message that the server answers: the start,
    /// the password, a simple query, and the end of an extended one.
    pub async fn postgres(server: SocketAddr, trap: &Trap) -> Result<Self> {
        Self::start(Server::Postgres(server), trap.clone()).await
    }

    /// Starts a proxy in front of an API server, for clients that speak plain HTTP without authentication, such as those with
    /// [`ControlPlane::kubeconfig_at`](crate::ControlPlane::kubeconfig_at). It does as this client does. A call is a request;
    /// that of a watch is answered when it begins.
    pub async fn kubernetes(client: kube::Client, trap: &Trap) -> Result<Self> {
        Self::start(Server::Kubernetes(client), trap.clone()).await
    }

    async fn start(server: Server, trap: Trap) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                let Ok((client, _)) = listener.accept().await else { continue };
                let _ = client.set_nodelay(true);
                connections.spawn(server.clone().serve(client, trap.clone()));
            }
        });
        Ok(Self { address, task })
    }

    /// The address for clients to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TrapProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server behind a proxy.
#[derive(Clone)]
enum Server {
    Postgres(SocketAddr),
    Kubernetes(kube::Client),
}

impl Server {
    /// Serves a connection until it ends.
    async fn serve(self, client: TcpStream, trap: Trap) {
        match self {
            // How it ends is the client's concern.
            Self::Postgres(server) => drop(postgres::serve(client, server, &trap).await),
            Self::Kubernetes(server) => kubernetes::serve(client, server, trap).await,
        }
    }
}
