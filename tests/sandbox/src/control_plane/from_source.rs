//! Build of the control plane with Go, once per version, into the cache folder.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::binaries::Binaries;
use crate::guard::{Guard, StopSignal};
use crate::terminal::Progress;
use crate::{Error, Result, cache, environment};

const GO_MOD: &str = include_str!("../../controlplane/go.mod");
const GO_SUM: &str = include_str!("../../controlplane/go.sum");

/// The commands to build. Go names the first one `server`, after its folder.
const PACKAGES: [&str; 3] =
    ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"];

/// Finds the programs in the cache, or builds them into it.
pub(crate) async fn binaries() -> Result<Binaries> {
    let cache = cache::folder("control-plane")?;
    let folder = cache.join(cache_key());
    if let Ok(found) = Binaries::in_folder(&folder) {
        return Ok(found);
    }
    let go = environment::program("go").ok_or(Error::NoControlPlane)?;
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

/// Builds next to `folder` and moves the result there in one step, so that the folder is always complete.
async fn build(go: &Path, cache: &Path, folder: &Path) -> Result<()> {
    remove_aborted_builds(cache);
    let build_folder = cache.join(format!("{}.building-{}", cache_key(), std::process::id()));
    let programs = build_folder.join("programs");
    fs::create_dir_all(&programs).map_err(|source| Error::File { path: build_folder.clone(), source })?;
    for (name, content) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = build_folder.join(name);
        fs::write(&path, content).map_err(|source| Error::File { path, source })?;
    }
    run_go(&go_build(go, &build_folder, &programs)).await?;
    let failed = |source| Error::File { path: folder.to_owned(), source };
    fs::rename(programs.join("server"), programs.join("etcd")).map_err(failed)?;
    fs::rename(&programs, folder).map_err(failed)?;
    fs::remove_dir_all(&build_folder).map_err(failed)
}

/// Removes the folders of builds that were killed. We hold the lock, so no other build is running.
fn remove_aborted_builds(cache: &Path) {
    let prefix = format!("{}.building-", cache_key());
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn go_build(go: &Path, module: &Path, programs: &Path) -> Command {
    let mut command = Command::new("nice"); // it uses all cores for minutes, so keep the machine usable
    command.arg(go).args(["build", "-mod=readonly", "-trimpath", "-ldflags", &linker_flags(), "-o"]);
    command.arg(programs).args(PACKAGES).current_dir(module);
    command.env("CGO_ENABLED", "0").env("GOWORK", "off");
    command
}

/// Runs Go under a guard, so that it stops with us, like the servers.
async fn run_go(build: &Command) -> Result<()> {
    let what = format!("kube-apiserver {}, etcd and kubectl", version("k8s.io/kubernetes"));
    let guard = Guard::start(None)?;
    guard.start_server("go", build, StopSignal::Terminate)?;
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

/// Flags that stamp the version. Without them, kubectl and kube-apiserver take each other for v0.0.0.
fn linker_flags() -> String {
    let version = version("k8s.io/kubernetes");
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let stamp = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let stamps = [stamp("gitVersion", version), stamp("gitMajor", major), stamp("gitMinor", minor)];
    format!("-s -w {}", stamps.join(" "))
}

/// The version of a module, from our go.mod.
fn version(module: &str) -> &'static str {
    let mut requirements = GO_MOD.lines().filter_map(|line| line.trim().split_once(' '));
    let found = requirements.find(|(name, version)| *name == module && version.starts_with('v'));
    found.and_then(|(_, version)| version.split(' ').next()).unwrap_or("v0.0.0")
}

/// The name of a build: its versions, for people, and a digest of all its inputs.
fn cache_key() -> String {
    let inputs = [GO_MOD, GO_SUM, &linker_flags(), &PACKAGES.join(" "), env::consts::OS, env::consts::ARCH];
    // FNV-1a, because std's hashers may change with the compiler, which would cause a needless build.
    let digest = inputs.join("\0").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [kubernetes, etcd] = ["k8s.io/kubernetes", "go.etcd.io/etcd/server/v3"].map(version);
    format!("kubernetes-{kubernetes}-etcd-{etcd}-{digest:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_go_mod() {
        let staging = version("k8s.io/api").replacen("v0.", "v1.", 1);
        assert_eq!(version("k8s.io/kubernetes"), staging);
        assert!(version("go.etcd.io/etcd/server/v3").starts_with("v3."));
    }

    #[test]
    fn the_linker_flags_contain_the_version() {
        let version = version("k8s.io/kubernetes");
        assert!(linker_flags().contains(&format!("gitVersion={version} ")));
        assert!(linker_flags().contains("gitMajor=1 "));
    }
}
