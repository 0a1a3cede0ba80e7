//! Installation of the real Kopf.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::sync::OnceCell;

/// The folder of the Python operators.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kopf");
/// The variable that makes a missing Kopf a failure.
const REQUIRED: &str = "KORF_REQUIRE_KOPF";

/// The program `kopf`, which is installed if necessary. If it can't be, prints why, once, and returns `None`.
pub async fn program() -> Option<&'static Path> {
    static FOUND: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    FOUND.get_or_init(find).await.as_deref()
}

async fn find() -> Option<PathBuf> {
    let found = tokio::task::spawn_blocking(create_venv).await.unwrap();
    if let Err(reason) = &found {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but there is no Kopf: {reason}");
        print_uncaptured(&format!("handover: SKIPPED, because there is no Kopf: {reason}"));
    }
    found.ok().map(|folder| folder.join("bin/kopf"))
}

/// Runs `venv.py`. Returns the folder that it prints, or the last line of its error output.
fn create_venv() -> Result<PathBuf, String> {
    let mut command = Command::new("python3");
    command.arg(Path::new(FOLDER).join("venv.py"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("can't run python3: {error}"))?;
    let mut last = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        // The last line may be an error. All lines before it are progress.
        let progress = std::mem::replace(&mut last, line);
        if !progress.is_empty() {
            print_uncaptured(&progress);
        }
    }
    let output = child.wait_with_output().unwrap();
    let folder = String::from_utf8_lossy(&output.stdout).trim().into();
    if output.status.success() { Ok(folder) } else { Err(last) }
}

/// Prints a line that shows even if the test passes. Cargo captures the print macros, but not the stream
/// itself.
fn print_uncaptured(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
