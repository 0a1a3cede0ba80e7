//! Cargo, run by a program that cargo itself has started.

use std::env;
use std::process::Command;

/// A cargo command that works as one typed into a shell.
///
/// `cargo run` sets variables for the package of the program that it runs. Build scripts that depend on them, such as ring's,
/// would run again, so they are removed.
pub fn command() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    cargo
}
