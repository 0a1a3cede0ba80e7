//! PostgreSQL's protocol, as far as calls and their answers are to be told apart.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Moment, Trap};

/// The codes of first messages that ask for something else than a session: GSSAPI, TLS.
const OTHERS: [u32; 2] = [80_877_104, 80_877_103];
/// The codes of an `Authentication` that ask the client for something: a password in the clear or as MD5, SASL twice.
const ASKS: [u32; 4] = [3, 5, 10, 11];
/// The characters of a statement that tell which it is.
const LENGTH: usize = 120;

/// A message: its type, which is 0 in the first one of a connection, and its content.
struct Message {
    tag: u8,
    content: Vec<u8>,
}

impl Message {
    /// Reads a message with a type.
    async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let tag = stream.read_u8().await?;
        Ok(Self { tag, ..Self::read_first(stream).await? })
    }

    /// Reads the first message of a client.
    async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let length = stream.read_u32().await?.checked_sub(4);
        let length = length.ok_or_else(|| Error::from(ErrorKind::InvalidData))?;
        let mut content = Vec::new();
        stream.take(length.into()).read_to_end(&mut content).await?;
        match content.len() as u64 == u64::from(length) {
            true => Ok(Self { tag: 0, content }),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Appends it as it is on the wire.
    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.tag != 0).then_some(self.tag));
        bytes.extend((self.content.len() as u32 + 4).to_be_bytes());
        bytes.extend(&self.content);
    }

    fn code(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.content.get(..4)?.try_into().ok()?))
    }

    /// Whether it is the last one of the server's answer to a call.
    fn ends_answer(&self) -> bool {
        match self.tag {
            b'Z' => true,
            b'R' => self.code().is_some_and(|code| ASKS.contains(&code)),
            _ => false,
        }
    }

    /// What it says of the call that it belongs to.
    fn words(&self) -> Option<String> {
        match self.tag {
            0 => Some("the start of a session".to_owned()),
            b'p' => Some("the password".to_owned()),
            b'Q' => Some(text(&self.content)),
            // Behind the name of the statement.
            b'P' => self.content.iter().position(|byte| *byte == 0).map(|end| text(&self.content[end + 1..])),
            _ => None,
        }
    }

    /// Whether the server answers, when it has this.
    fn is_call(&self) -> bool {
        matches!(self.tag, 0 | b'p' | b'Q' | b'S')
    }
}

/// The text before the first 0, shortened.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(LENGTH).collect()
}

/// A connection through the proxy.
struct Connection<'t> {
    trap: &'t Trap,
    /// The number of the call whose answer isn't given, among those of this connection; 0 if there is none.
    held: AtomicUsize,
}

/// Serves the connection of a client, until one of the two ends it.
pub(super) async fn serve(client: TcpStream, server: SocketAddr, trap: &Trap) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let connection = Connection { trap, held: AtomicUsize::new(0) };
    tokio::select! {
        ended = connection.forward_calls(from_client, to_server) => ended,
        ended = connection.forward_answers(from_server, to_client) => ended,
    }
}

impl Connection<'_> {
    async fn forward_calls(
        &self,
        client: impl AsyncRead + Unpin,
        mut server: impl AsyncWrite + Unpin,
    ) -> Result<()> {
        let mut client = tokio::io::BufReader::new(client);
        let mut next = Message::read_first(&mut client).await?;
        if next.code().is_some_and(|code| OTHERS.contains(&code)) {
            return Err(ErrorKind::Unsupported.into());
        }
        for number in 1.. {
            // All messages of a call wait for its last one: without that, the server may have done something, and it doesn't last.
            let (mut bytes, mut words) = (Vec::new(), None);
            while !next.is_call() {
                next.append_to(&mut bytes);
                words = words.or_else(|| next.words());
                if next.tag == b'X' {
                    return server.write_all(&bytes).await;
                }
                next = Message::read(&mut client).await?;
            }
            next.append_to(&mut bytes);
            let words = words.or_else(|| next.words());
            let moment = self.trap.count(words.unwrap_or_else(|| "a known statement".to_owned()));
            match moment {
                Some(Moment::Before) => return self.trap.spring().await,
                Some(_) => self.held.store(number, Ordering::SeqCst),
                None => {}
            }
            server.write_all(&bytes).await?;
            if moment == Some(Moment::Underway) {
                return self.trap.spring().await;
            }
            next = Message::read(&mut client).await?;
        }
        Ok(())
    }

    async fn forward_answers(
        &self,
        server: impl AsyncRead + Unpin,
        mut client: impl AsyncWrite + Unpin,
    ) -> Result<()> {
        let mut server = tokio::io::BufReader::new(server);
        let mut answers = 0;
        loop {
            let message = Message::read(&mut server).await;
            let is_held = self.held.load(Ordering::SeqCst) == answers + 1;
            let ends = message.as_ref().map_or(true, Message::ends_answer);
            if is_held && ends {
                return self.trap.spring().await;
            }
            let message = message?;
            answers += usize::from(ends);
            if !is_held {
                let mut bytes = Vec::new();
                message.append_to(&mut bytes);
                client.write_all(&bytes).await?;
            }
        }
    }
}
