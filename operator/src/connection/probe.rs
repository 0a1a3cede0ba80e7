//! Probe: what a server says to a request for TLS, if it is neither yes nor no.
//!
//! A pooler that takes no more clients, or a server that can't start a process, answers with an error at once. tokio-postgres
//! reads its first byte, takes it for "no TLS here", and knows nothing of the rest. So the request is made once more, and
//! nothing else is sent.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>

use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The length of the request, and its code.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// The longest error that is read, in bytes, as in libpq.
const LONGEST: usize = 30_000;

/// What a server answers to a request for TLS.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has TLS: what was wrong before is over.
    Yes,
    /// It has none, or isn't PostgreSQL.
    No,
    /// It has an error.
    Error(Told),
    /// It can't be asked just now.
    None,
}

/// An error that the server has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) code: String,
    pub(super) message: String,
}

/// Asks a server for TLS.
pub(super) async fn ask(number: IpAddr, port: u16) -> Answer {
    let asked = async {
        let mut stream = TcpStream::connect(SocketAddr::new(number, port)).await?;
        stream.write_all(&TLS_REQUEST).await?;
        let first = stream.read_u8().await?;
        io::Result::Ok((first, stream))
    };
    match asked.await {
        Ok((b'S', _)) => Answer::Yes,
        Ok((b'E', stream)) => {
            let mut rest = Vec::new();
            // A server that closes the connection may reset it; what has come until then is enough.
            let _ = stream.take(LONGEST as u64).read_to_end(&mut rest).await;
            Answer::Error(error_of(&rest))
        }
        Ok(_) => Answer::No,
        // One that closes the connection without a word knows nothing of TLS.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Answer::No,
        Err(_) => Answer::None,
    }
}

/// The error in a message, without its first byte: fields behind a length, or, in the old form, one text.
fn error_of(message: &[u8]) -> Told {
    let length = message.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    if length.is_none_or(|length| length as usize > LONGEST) {
        return Told { code: String::new(), message: text_of(message) };
    }
    let fields = message.get(4..).unwrap_or_default().split(|byte| *byte == 0);
    let field = |kind: u8| {
        let mut found = fields.clone().filter_map(|field| field.strip_prefix(&[kind]));
        found.next().map(text_of).unwrap_or_default()
    };
    Told { code: field(b'C'), message: field(b'M') }
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_error_are_read() {
        let told = |code: &str, message: &str| Told { code: code.to_owned(), message: message.to_owned() };
        for (message, expected) in [
            (
                &b"\0\0\0\x2fSFATAL\0VFATAL\0C08P01\0Mno more connections allowed\0\0"[..],
                told("08P01", "no more connections allowed"),
            ),
            (
                b"could not fork new process for connection: Cannot allocate memory\n\0",
                told("", "could not fork new process for connection: Cannot allocate memory"),
            ),
            (b"\0\0\0\x2fSFATAL\0C53", told("53", "")),
            (b"\0\0", told("", "")),
            (b"", told("", "")),
        ] {
            assert_eq!(error_of(message), expected);
        }
    }
}
