//! `cargo demo`, its first second: says what the machine lacks, or else becomes the demo.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use korf_programs::cargo;
use korf_programs::machine::{ControlPlane, Machine};
use korf_programs::needs::{self, Need};

fn main() -> ExitCode {
    let machine = Machine::look(&target());
    let (missing, estimates): (Vec<_>, Vec<_>) =
        needs::unmet(&machine).into_iter().partition(Need::is_essential);
    // Output that can't be written is no reason to stop.
    let _ = say(&machine, &missing, &estimates);
    if !missing.is_empty() {
        return ExitCode::FAILURE;
    }
    // This process becomes cargo, and cargo becomes the demo, which then receives Ctrl-C and determines the exit status. The
    // workspace is named and no package, so that the dependencies have the features that `cargo test --workspace` chooses.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../Cargo.toml");
    let mut demo = cargo::command();
    demo.args(["run", "--example", "demo", "--manifest-path"]).arg(workspace).arg("--");
    let error = demo.args(env::args_os().skip(1)).exec();
    let _ = writeln!(io::stderr(), "cargo demo: can't start cargo: {error}");
    ExitCode::FAILURE
}

/// The folder that cargo builds in: this program's own.
fn target() -> PathBuf {
    env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned)).unwrap_or_default()
}

fn say(machine: &Machine, missing: &[Need], estimates: &[Need]) -> io::Result<()> {
    let mut terminal = io::stderr().lock();
    for need in missing.iter().chain(estimates) {
        writeln!(terminal, "cargo demo needs {need}\n")?;
    }
    if missing.is_empty() && !machine.is_built {
        let control_plane = if machine.control_plane == ControlPlane::ToBuild {
            " Then Go builds the control plane, in about seven."
        } else {
            ""
        };
        writeln!(
            terminal,
            "The first time, cargo builds the demo: about five minutes on two cores.{control_plane}\n"
        )?;
    }
    Ok(())
}
