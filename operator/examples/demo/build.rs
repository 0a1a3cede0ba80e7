//! Build of the operator's binary, with the path that cargo reports for it.

use crate::Result;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

const OPERATOR: &str = "database-table-operator";

/// Builds the operator, and returns the path of its binary. Cargo's own output shows the progress.
///
/// The build includes this example, although it is already running, and names no package: otherwise cargo would choose
/// other features for the dependencies than it did a moment ago, and compile them again.
pub async fn operator(workspace: &Path) -> Result<PathBuf> {
    let build = Command::from(korf_programs::cargo::command())
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(["--bin", OPERATOR, "--example", "demo"])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("can't start cargo to build the operator: {error}"))?
        .wait_with_output()
        .await?;
    if !build.status.success() {
        return Err("the operator doesn't compile; see cargo's output above".into());
    }
    let messages = String::from_utf8_lossy(&build.stdout);
    let path = messages
        .lines()
        .find_map(executable)
        .ok_or("cargo didn't report the path of the operator's binary")?;
    Ok(path)
}

/// The path of the operator's binary, if this line of cargo's output reports it.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_operator = message["target"]["name"] == OPERATOR && message["target"]["kind"][0] == "bin";
    message["executable"].as_str().filter(|_| is_operator).map(PathBuf::from)
}
