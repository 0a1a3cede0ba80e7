//! Search for PostgreSQL's programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use korf_programs::environment;

use super::maven;
use crate::{Error, Result};

/// Folders with one folder per version, which contains `bin`.
const VERSIONED: [&str; 5] = [
    "/usr/lib/postgresql",                          // Debian, Ubuntu
    "/opt/homebrew/opt",                            // Homebrew on Apple silicon: postgresql@18
    "/usr/local/opt",                               // Homebrew on Intel
    "/usr",                                         // the PGDG packages of Fedora and Red Hat: pgsql-18
    "/Applications/Postgres.app/Contents/Versions", // macOS
];

/// The variable that asks for a major version.
const VARIABLE: &str = "KORF_SANDBOX_POSTGRES";

/// Finds the folder with `initdb` and `postgres`: of the version that `KORF_SANDBOX_POSTGRES` asks for, from Maven Central; or
/// else what is installed, on PATH, by `pg_config`, or in the usual places; or else the newest from Maven Central.
pub(crate) async fn find() -> Result<PathBuf> {
    match environment::variable(VARIABLE) {
        Some(version) => {
            let version = version.to_string_lossy().into_owned();
            let major = version.parse();
            maven::programs(major.map_err(|_| Error::NoVersion { version })?).await
        }
        None => match installed() {
            Some(folder) => Ok(folder),
            None => maven::programs(maven::NEWEST).await,
        },
    }
}

fn installed() -> Option<PathBuf> {
    let path = environment::variable("PATH").unwrap_or_default();
    let candidates =
        env::split_paths(&path).chain(by_pg_config()).chain(VERSIONED.into_iter().flat_map(versions));
    let mut complete = candidates.filter(|folder| is_complete(folder));
    complete.next().map(|folder| environment::absolute(&folder))
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// The program folders of all installed versions, newest first.
fn versions(parent: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions: Vec<_> = names.filter_map(|name| Some((version(&name)?, name))).collect();
    versions.sort();
    versions.iter().rev().map(|(_, name)| Path::new(parent).join(name).join("bin")).collect()
}

/// The version in a folder's name: 18 for each of `18`, `postgresql@18` and `pgsql-18`.
fn version(name: &str) -> Option<u32> {
    let number = ["postgresql@", "pgsql-"].iter().find_map(|start| name.strip_prefix(start));
    number.unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_parsed_from_the_folder_names_of_all_packagers() {
        let names = ["18", "postgresql@17", "pgsql-16", "latest", "lib"];
        assert_eq!(names.map(version), [Some(18), Some(17), Some(16), None, None]);
    }
}
