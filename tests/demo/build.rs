//! The operator's binary: built as anybody would build it, and where cargo says that it is.

use crate::Result;
use serde_json::Value;
use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

const OPERATOR: &str = "database-table-operator";

/// Builds it; cargo's own lines show how far it is.
///
/// The example is named, too, although it is what runs here: with it, cargo chooses the same features of the
/// dependencies as it did a moment ago, and compiles none of them again.
pub async fn operator(workspace: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // `cargo run` has told us which package we are. Build scripts that look at it, ring's, would be run again.
    let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
        build.env_remove(name);
    }
    let build = build
        .args(["build", "--message-format=json-render-diagnostics", "--package", OPERATOR])
        .args(["--bin", OPERATOR, "--example", "demo"])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cargo can't be started: {error}"))?
        .wait_with_output()
        .await?;
    if !build.status.success() {
        return Err("the operator doesn't build; cargo has said why".into());
    }
    let messages = String::from_utf8_lossy(&build.stdout);
    let path =
        messages.lines().find_map(executable).ok_or("cargo doesn't say where the operator's binary is")?;
    Ok(path)
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_it = message["target"]["name"] == OPERATOR && message["target"]["kind"][0] == "bin";
    message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
}
