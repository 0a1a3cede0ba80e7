//! Build of the control plane with Go, once per version, into the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use korf_programs::control_plane::Binaries;
use korf_programs::release::{GO_MOD, GO_SUM, PACKAGES, cache_key, linker_flags, version};
use korf_programs::{environment, machine, needs};

use crate::guard::{Guard, StopSignal};
use crate::terminal::Progress;
use crate::{Error, Result, cache};

/// Finds the programs, or builds them into the cache folder.
pub(crate) async fn found_or_built() -> Result<Binaries> {
    match Binaries::find()? {
        Some(found) => Ok(found),
        None => built().await,
    }
}

async fn built() -> Result<Binaries> {
    let go = go()?;
    let cache = cache::folder("control-plane")?;
    let folder = cache.join(cache_key());
    let waiting = "waiting for another process to build the control plane";
    let _lock = cache::lock(&cache.join(format!("{}.lock", cache_key())), waiting).await?;
    if Binaries::in_folder(&folder).is_err() {
        build(&go, &cache, &folder).await?;
    }
    Binaries::in_folder(&folder).map_err(|missing| Error::File {
        path: folder.join(missing),
        source: std::io::ErrorKind::NotFound.into(),
    })
}

fn go() -> Result<PathBuf> {
    match needs::of_build(machine::go_version()) {
        Some(need) => Err(Error::NoControlPlane(need)),
        None => environment::program("go").ok_or(Error::NoControlPlane(needs::Need::Go)),
    }
}

/// Builds next to `folder` and moves the result there in one step, so that the folder is always complete.
///
/// A guard owns the folder of the build, with Go's temporary files in it, so that both go when we do.
async fn build(go: &Path, cache: &Path, folder: &Path) -> Result<()> {
    remove_aborted_builds(cache);
    let guard =
        Guard::start_in(cache.join(format!("{}.building-{}", cache_key(), std::process::id())), None)?;
    guard.write("go.mod", GO_MOD)?;
    guard.write("go.sum", GO_SUM)?;
    let [programs, temporary] = ["programs", "temporary"].map(|name| guard.folder().join(name));
    for path in [&programs, &temporary] {
        fs::create_dir(path).map_err(|source| Error::File { path: path.clone(), source })?;
    }
    run_go(&guard, &go_build(go, guard.folder(), &programs, &temporary)).await?;
    let failed = |source| Error::File { path: folder.to_owned(), source };
    fs::rename(programs.join("server"), programs.join("etcd")).map_err(failed)?;
    fs::rename(&programs, folder).map_err(failed)
}

/// Removes the folders of builds whose guard was killed, too. We hold the lock, so no other build is running.
fn remove_aborted_builds(cache: &Path) {
    let prefix = format!("{}.building-", cache_key());
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn go_build(go: &Path, module: &Path, programs: &Path, temporary: &Path) -> Command {
    let mut command = Command::new("nice"); // it uses all cores for minutes, so keep the machine usable
    command.arg(go).args(["build", "-mod=readonly", "-trimpath", "-ldflags", &linker_flags(), "-o"]);
    command.arg(programs).args(PACKAGES).current_dir(module);
    command.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOTMPDIR", temporary);
    command
}

/// Runs Go under the guard, so that it stops with us, like the servers.
async fn run_go(guard: &Guard, build: &Command) -> Result<()> {
    let what = format!("kube-apiserver {}, etcd and kubectl", version("k8s.io/kubernetes"));
    guard.start_server("go", build, StopSignal::TerminateAll)?;
    let mut progress = Progress::start();
    let status = loop {
        if let Some(status) = guard.exit_status("go") {
            break status;
        }
        progress.show(&format!("building {what} from source (once, about 7 minutes on two cores)"));
        tokio::time::sleep(cache::POLL).await;
    };
    if status == "0" {
        progress.finish(&format!("built {what} from source"));
        return Ok(());
    }
    progress.finish(&format!("building {what} from source failed"));
    Err(Error::Build { status, output: guard.log_tail("go") })
}
