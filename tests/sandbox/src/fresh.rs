//! Unused ports, random passwords and unique names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};

/// A loopback port that was free a moment ago, and that this process gives to nobody else: a server that is stopped finds its own
/// again.
///
/// The system isn't asked to choose one, because it takes ports from the range for outgoing connections (from
/// 32768 on Linux), and such a connection could take the port before our server does, or while the server
/// restarts.
///
/// # Errors
///
/// [`Error::Port`] if a hundred of them are in use.
pub fn port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut last_error = None;
    for _ in 0..100 {
        let port = 20_000 + u16::from_ne_bytes(random()?) % 12_000;
        if !GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last_error = Some(error),
        }
    }
    Err(Error::Port(last_error.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into())))
}

/// A password of 32 hexadecimal digits, which need no quoting in SQL or in a URL.
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

/// A unique name that begins with `name`. On a server that outlives us, earlier runs have left other names
/// behind.
pub(crate) fn name(name: &str, separator: char) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    format!("{name}{separator}{now:x}{separator}{:x}", std::process::id())
}
