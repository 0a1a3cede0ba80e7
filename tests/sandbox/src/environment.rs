//! What the environment says.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A variable; an empty one counts as unset, as CI systems set them.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The program of that name that a shell would run.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    env::split_paths(&path).map(|folder| absolute(&folder.join(name))).find(|program| program.is_file())
}

/// Servers don't run in our working folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
