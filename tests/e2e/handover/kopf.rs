//! Where the real Kopf is.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::sync::OnceCell;

/// The programs and Python files of the tests of compatibility.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kopf");
/// Where it is set, no Kopf is a failure.
const REQUIRED: &str = "KORF_REQUIRE_KOPF";

/// The program `kopf`, installed if need be; none where it can't be, which is said once.
pub async fn program() -> Option<&'static Path> {
    static FOUND: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    FOUND.get_or_init(find).await.as_deref()
}

async fn find() -> Option<PathBuf> {
    let found = tokio::task::spawn_blocking(environment).await.unwrap();
    if let Err(why) = &found {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but there is no Kopf: {why}");
        tell(&format!("handover: SKIPPED, for there is no Kopf: {why}"));
    }
    found.ok().map(|folder| folder.join("bin/kopf"))
}

/// Runs `venv.py`: the folder that it prints, or the last thing that it says.
fn environment() -> Result<PathBuf, String> {
    let mut command = Command::new("python3");
    command.arg(Path::new(FOLDER).join("venv.py"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("python3 can't be run: {error}"))?;
    let mut last = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        // What went wrong is told in the end; all before that is progress.
        let before = std::mem::replace(&mut last, line);
        if !before.is_empty() {
            tell(&before);
        }
    }
    let output = child.wait_with_output().unwrap();
    let folder = String::from_utf8_lossy(&output.stdout).trim().into();
    if output.status.success() { Ok(folder) } else { Err(last) }
}

/// Says something to whoever waits. Cargo captures what the macros print, but not the stream itself.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
