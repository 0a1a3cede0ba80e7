//! A TCP proxy that a test can break.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::io::InspectWriter;

use crate::{Error, Result};

/// A TCP proxy in front of a server. Each test has its own, so breaking its connections affects no other
/// test.
///
/// TLS through the proxy verifies, because the API server's certificate is valid for every port of loopback.
/// The proxy runs on the tokio runtime that it is created on, and stops when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<LinkState>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// What has gone through a proxy so far.
#[derive(Debug, Default)]
struct Counts {
    /// Connections.
    accepted: AtomicUsize,
    /// Bytes from the server.
    sent: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum LinkState {
    Open,
    Stalled,
    Cut,
}

impl Proxy {
    /// Starts a proxy to `target` on a free port of loopback.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let (link, state) = watch::channel(LinkState::Open);
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(accept(listener, target, state, Arc::clone(&counts)));
        Ok(Self { address, link, counts, task })
    }

    /// The address for clients to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections, and every new one until [`Proxy::restore`].
    pub fn cut(&self) {
        self.link.send_replace(LinkState::Cut);
    }

    /// Simulates a silent network: keeps connections open and accepts new ones, but forwards nothing until
    /// [`Proxy::restore`].
    pub fn stall(&self) {
        self.link.send_replace(LinkState::Stalled);
    }

    /// Forwards again. Stalled connections continue where they stopped.
    pub fn restore(&self) {
        self.link.send_replace(LinkState::Open);
    }

    /// The number of connections accepted so far, without those that were reset at once because the link was
    /// cut.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// The bytes that the server has sent to clients so far, as they are on the wire: encrypted, if TLS is spoken.
    pub fn sent_by_server(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
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
    link: watch::Receiver<LinkState>,
    counts: Arc<Counts>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        if matches!(*link.borrow(), LinkState::Cut) {
            reset(&client);
            continue;
        }
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connect(client, target, link.clone(), Arc::clone(&counts)));
    }
}

async fn connect(
    client: TcpStream,
    target: SocketAddr,
    link: watch::Receiver<LinkState>,
    counts: Arc<Counts>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(&client) };
    // Small writes are sent at once, as without a proxy.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut client = InspectWriter::new(client, |bytes: &[u8]| {
        counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    });
    if forward(&mut client, &mut server, link).await == End::Cut {
        reset(client.get_ref());
        reset(&server);
    }
}

/// How a connection ended.
#[derive(PartialEq)]
enum End {
    Closed,
    Cut,
}

async fn forward(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &mut TcpStream,
    mut link: watch::Receiver<LinkState>,
) -> End {
    let mut copying = pin!(tokio::io::copy_bidirectional(client, server));
    loop {
        let state = *link.borrow_and_update();
        let changed = match state {
            LinkState::Cut => return End::Cut,
            LinkState::Stalled => link.changed().await,
            LinkState::Open => tokio::select! {
                _ = &mut copying => return End::Closed,
                changed = link.changed() => changed,
            },
        };
        if changed.is_err() {
            return End::Cut;
        }
    }
}

/// Makes the coming close a reset, so that the other side sees an error at once and not an orderly close.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
