//! Things that nobody else has: ports, passwords, names.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::{Error, Result};

/// A port of loopback that was free a moment ago.
///
/// Not one that the system chooses: those are from the range for outgoing connections (from 32768 on Linux), and one
/// of these may take the port before our server does, or while it restarts.
pub(crate) fn port() -> Result<u16> {
    let mut refusal = None;
    for _ in 0..100 {
        let port = 20_000 + u16::from_ne_bytes(random()?) % 12_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => refusal = Some(error),
        }
    }
    Err(Error::Port(refusal.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into())))
}

/// Thirty-two hexadecimal digits: they need no quoting, neither in SQL nor in a URL.
pub(crate) fn password() -> Result<String> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let source = Path::new("/dev/urandom");
    let failed = |error| Error::File { path: source.to_owned(), source: error };
    let mut bytes = [0; N];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// A name that an earlier run hasn't left behind, for servers that outlive us.
pub(crate) fn name(name: &str, separator: char) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    format!("{name}{separator}{now:x}{separator}{:x}", std::process::id())
}
