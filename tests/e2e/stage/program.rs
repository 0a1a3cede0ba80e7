//! Where the programs are that are not this package's.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The binary of an example. `cargo test` of the workspace has built it; where only this package is tested, it may be
/// missing or old.
pub fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_database-table-operator")).parent().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/{name}.rs"));
    let program = folder.join("examples").join(name);
    if modified(&program).is_none_or(|built| Some(built) < modified(&source)) {
        build(name, folder);
    }
    program
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn build(name: &str, folder: &Path) {
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "korf-examples", "--profile", profile, "--example", name]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
