//! Programs that are provided: those of an envtest folder, and of setup-envtest.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use korf_programs::control_plane::Binaries;
use korf_sandbox::{ControlPlane, Sandbox};

use crate::lifecycle::{processes_of, start, superuser_url};

/// A folder for one test, which is removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("korf-sandbox-test-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn script(&self, name: &str, line: &str) {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The sandbox in another process, with an empty cache and only the programs of the system and of this folder on PATH.
fn sandbox_with(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_korf-sandbox"));
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.0.display()));
    command.env("KORF_CACHE_DIR", folder.0.join("cache")).env_remove("KUBEBUILDER_ASSETS");
    command
}

/// The folder of a control plane that works.
async fn working_programs() -> PathBuf {
    ControlPlane::prepare().await.unwrap();
    Binaries::find().unwrap().unwrap().kube_apiserver.parent().unwrap().to_owned()
}

/// Whether the API server that this kubeconfig is for is a program of `folder`.
fn runs_from(folder: &Path, kubeconfig_line: &str) -> bool {
    let kubeconfig = kubeconfig_line.trim_start_matches("export KUBECONFIG='").trim_end_matches('\'');
    let script = fs::read_to_string(Path::new(kubeconfig).with_file_name("apiserver.sh")).unwrap();
    script.contains(folder.to_str().unwrap())
}

#[tokio::test]
async fn the_programs_of_an_envtest_folder_are_used() {
    let (programs, folder) = (working_programs().await, Folder::new("assets"));
    let url = superuser_url(Sandbox::shared().await.unwrap());
    let mut command = sandbox_with(&folder);
    let (mut process, lines) =
        start(command.env("KUBEBUILDER_ASSETS", &programs).env("KORF_SANDBOX_DATABASE_URL", url));
    assert!(runs_from(&programs, &lines[0]));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[tokio::test]
async fn the_programs_that_setup_envtest_has_installed_are_used() {
    let (programs, folder) = (working_programs().await, Folder::new("setup-envtest"));
    let said = format!("[ \"$*\" = 'use -i -p path' ] && printf %s '{}'", programs.display());
    folder.script("setup-envtest", &said);
    let url = superuser_url(Sandbox::shared().await.unwrap());
    let (mut process, lines) = start(sandbox_with(&folder).env("KORF_SANDBOX_DATABASE_URL", url));
    assert!(runs_from(&programs, &lines[0]));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[tokio::test]
async fn programs_that_cannot_be_used_are_named_with_the_reason() {
    let folder = Folder::new("unusable");
    let error = || {
        let mut command = sandbox_with(&folder);
        command.env("KUBEBUILDER_ASSETS", &folder.0).stdout(Stdio::null());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(error().contains("kube-apiserver isn't there"), "{}", error());
    folder.script("kube-apiserver", "echo Kubernetes v1.20.0");
    assert!(error().contains("etcd isn't there"), "{}", error());
    folder.script("etcd", "echo etcd Version: 3.7.3");
    assert!(error().contains("Kubernetes v1.20.0, but the sandbox needs 1.33 or newer"), "{}", error());
    folder.script("kube-apiserver", "echo Kubernetes v1.33.0");
    folder.script("etcd", "echo etcd Version: 3.4.30");
    assert!(error().contains("etcd Version: 3.4.30, but the sandbox needs 3.5 or newer"), "{}", error());
    folder.script("etcd", "exit 1");
    assert!(error().contains("it doesn't say its version"), "{}", error());
}

#[tokio::test]
async fn an_interrupted_build_of_the_control_plane_leaves_nothing() {
    let folder = Folder::new("build");
    let url = superuser_url(Sandbox::shared().await.unwrap());
    // A compiler that has a linker, which is slow to stop.
    folder.script(
        "go",
        "[ $1 = version ] && echo go version go1.26.0 linux/amd64 && exit\n\
         linker & wait",
    );
    folder.script("linker", "trap '' TERM; touch $GOTMPDIR/object; while :; do sleep 0.1; done");
    for signal in ["-INT", "-TERM", "-KILL"] {
        let mut process = sandbox_with(&folder).env("KORF_SANDBOX_DATABASE_URL", &url).spawn().unwrap();
        crate::until("the linker writes", async || !builds_in(&folder, "temporary/object").is_empty()).await;
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        process.wait().unwrap();
        // What was killed is there for a moment yet.
        crate::until("the build has stopped", async || processes_of(&folder.0).is_empty()).await;
        if signal != "-INT" {
            crate::until("its folder is gone", async || builds_in(&folder, "").is_empty()).await;
        }
        assert_eq!(builds_in(&folder, ""), Vec::<PathBuf>::new());
    }
}

/// The folders of builds that have this file.
fn builds_in(folder: &Folder, file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.0.join("cache/control-plane")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains(".building-") && path.join(file).exists()).collect()
}
