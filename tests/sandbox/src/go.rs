//! Build of programs with Go, once per version, into the cache folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use korf_programs::{environment, machine, needs};

use crate::guard::{Guard, StopSignal};
use crate::terminal::Progress;
use crate::{Error, Result, cache};

/// Programs, and what they are made of.
pub(crate) struct GoBuild<'a> {
    /// The programs, for people.
    pub what: String,
    /// How long it takes, for people.
    pub takes: &'a str,
    /// Its folder in the cache folder.
    pub folder: &'a str,
    /// The name of this build in it, with a digest of all inputs.
    pub key: String,
    /// The module that pins the versions.
    pub go_mod: &'a str,
    /// The checksums of the modules.
    pub go_sum: &'a str,
    /// The packages of the programs.
    pub packages: &'a [&'a str],
    /// What `go build` is told besides.
    pub arguments: &'a [&'a str],
}

impl GoBuild<'_> {
    /// The folder with the programs, which are built if they aren't there. `finish` changes what is built before anybody sees it.
    pub async fn built(&self, finish: impl FnOnce(&Path) -> io::Result<()>) -> Result<PathBuf> {
        let cache = cache::folder(self.folder)?;
        let folder = cache.join(&self.key);
        if folder.is_dir() {
            return Ok(folder);
        }
        let go = go()?;
        let waiting = format!("waiting for another process to build {}", self.what);
        let _lock = cache::lock(&cache.join(format!("{}.lock", self.key)), &waiting).await?;
        if !folder.is_dir() {
            self.build(&go, &cache, &folder, finish).await?;
        }
        Ok(folder)
    }

    /// Builds next to `folder` and moves the result there in one step, so that the folder is always complete.
    ///
    /// A guard owns the folder of the build, with Go's temporary files in it, so that both go when we do.
    async fn build(
        &self,
        go: &Path,
        cache: &Path,
        folder: &Path,
        finish: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<()> {
        self.remove_aborted_builds(cache);
        let guard =
            Guard::start_in(cache.join(format!("{}.building-{}", self.key, std::process::id())), None)?;
        guard.write("go.mod", self.go_mod)?;
        guard.write("go.sum", self.go_sum)?;
        let [programs, temporary] = ["programs", "temporary"].map(|name| guard.folder().join(name));
        for path in [&programs, &temporary] {
            fs::create_dir(path).map_err(|source| Error::File { path: path.clone(), source })?;
        }
        self.run_go(&guard, &self.go_build(go, guard.folder(), &programs, &temporary)).await?;
        let failed = |source| Error::File { path: folder.to_owned(), source };
        finish(&programs).map_err(failed)?;
        fs::rename(&programs, folder).map_err(failed)
    }

    /// Removes the folders of builds whose guard was killed, too. We hold the lock, so no other build is running.
    fn remove_aborted_builds(&self, cache: &Path) {
        let prefix = format!("{}.building-", self.key);
        for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn go_build(&self, go: &Path, module: &Path, programs: &Path, temporary: &Path) -> Command {
        let mut command = Command::new("nice"); // it uses all cores for minutes, so keep the machine usable
        command.arg(go).args(["build", "-mod=readonly", "-trimpath"]).args(self.arguments);
        // With a slash, it is a folder also for one program.
        command.arg("-o").arg(programs.join("")).args(self.packages).current_dir(module);
        command.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOTMPDIR", temporary);
        command
    }

    /// Runs Go under the guard, so that it stops with us, like the servers.
    async fn run_go(&self, guard: &Guard, build: &Command) -> Result<()> {
        let Self { what, takes, .. } = self;
        guard.start_server("go", build, StopSignal::TerminateAll)?;
        let mut progress = Progress::start();
        let status = loop {
            if let Some(status) = guard.exit_status("go") {
                break status;
            }
            progress.show(&format!("building {what} from source (once, {takes})"));
            tokio::time::sleep(cache::POLL).await;
        };
        if status == "0" {
            progress.finish(&format!("built {what} from source"));
            return Ok(());
        }
        progress.finish(&format!("building {what} from source failed"));
        Err(Error::Build { what: what.clone(), status, output: guard.log_tail("go") })
    }
}

fn go() -> Result<PathBuf> {
    match needs::of_build(machine::go_version()) {
        Some(need) => Err(Error::NoGo(need)),
        None => environment::program("go").ok_or(Error::NoGo(needs::Need::Go)),
    }
}
