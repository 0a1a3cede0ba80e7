//! PATH.

use std::env;
use std::path::PathBuf;

/// The program of that name that a shell would run.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
