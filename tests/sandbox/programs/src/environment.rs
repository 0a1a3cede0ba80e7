//! Access to environment variables and to the programs on PATH.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The value of a variable. An empty one counts as unset, because CI systems set empty variables.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The program that a shell would run for this name.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    env::split_paths(&path).map(|folder| absolute(&folder.join(name))).find(|program| program.is_file())
}

/// An absolute path, which servers need because they run in other folders than we do.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
