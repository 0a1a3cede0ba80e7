//! Things that nobody else has: ports, passwords, names.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::{Error, Result};

/// A port of loopback that was free a moment ago.
pub(crate) fn port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
    Ok(listener.local_addr().map_err(Error::Port)?.port())
}

/// Thirty-two hexadecimal digits: they need no quoting, neither in SQL nor in a URL.
pub(crate) fn password() -> Result<String> {
    let source = Path::new("/dev/urandom");
    let failed = |error| Error::File { path: source.to_owned(), source: error };
    let mut bytes = [0; 16];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name that an earlier run hasn't left behind, for servers that outlive us.
pub(crate) fn name(name: &str, separator: char) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    format!("{name}{separator}{now:x}{separator}{:x}", std::process::id())
}
