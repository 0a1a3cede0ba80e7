//! A TCP proxy that a test can break.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Error, Result};

/// A TCP proxy in front of a server, one per test: what it does to its connections concerns nobody else.
///
/// The API server's certificate is for every port of loopback, so TLS through the proxy verifies. The proxy lives on
/// the tokio runtime that made it and ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Open,
    Stalled,
    Cut,
}

impl Proxy {
    /// Starts a proxy to `target` on a free port of loopback.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let (line, state) = watch::channel(Line::Open);
        let accepted = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(accept(listener, target, state, Arc::clone(&accepted)));
        Ok(Self { address, line, accepted, task })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and every new one until [`Proxy::restore`].
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Keeps connections open, and takes new ones, but moves no byte until [`Proxy::restore`]: a network that went
    /// silent.
    pub fn stall(&self) {
        self.line.send_replace(Line::Stalled);
    }

    /// Lets connections through again; stalled ones go on where they stopped.
    pub fn restore(&self) {
        self.line.send_replace(Line::Open);
    }

    /// How many connections were taken so far, not counting those reset at once because the line was cut.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    line: watch::Receiver<Line>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        if matches!(*line.borrow(), Line::Cut) {
            reset(&client);
            continue;
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connect(client, target, line.clone()));
    }
}

async fn connect(mut client: TcpStream, target: SocketAddr, line: watch::Receiver<Line>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(&client) };
    // Small writes go out at once, as without a proxy.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    if forward(&mut client, &mut server, line).await == Ended::Cut {
        reset(&client);
        reset(&server);
    }
}

#[derive(PartialEq)]
enum Ended {
    ByItself,
    Cut,
}

async fn forward(client: &mut TcpStream, server: &mut TcpStream, mut line: watch::Receiver<Line>) -> Ended {
    let mut copying = pin!(tokio::io::copy_bidirectional(client, server));
    loop {
        let now = *line.borrow_and_update();
        let changed = match now {
            Line::Cut => return Ended::Cut,
            Line::Stalled => line.changed().await,
            Line::Open => tokio::select! {
                _ = &mut copying => return Ended::ByItself,
                changed = line.changed() => changed,
            },
        };
        if changed.is_err() {
            return Ended::Cut;
        }
    }
}

/// Makes the coming close a reset: the other side sees an error at once, not an orderly end.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
