//! Search for the control plane's programs.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cache, environment, release};

/// The variable that names a folder with the programs, as for envtest.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The oldest kube-apiserver that the types of k8s-openapi are for.
const OLDEST_KUBERNETES: Version = Version(1, 33);

/// The oldest etcd that such a kube-apiserver supports.
const OLDEST_ETCD: Version = Version(3, 5);

/// The paths of the programs. Only some tests need kubectl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Its database.
    pub etcd: PathBuf,
    /// The one on PATH, or else the one next to the API server.
    pub kubectl: Option<PathBuf>,
}

/// Programs that are provided and can't be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// `KUBEBUILDER_ASSETS` names a folder that lacks a program.
    Incomplete {
        /// The folder that the variable names.
        folder: PathBuf,
        /// The missing program.
        missing: &'static str,
    },
    /// A program is too old, or doesn't say its version.
    Version {
        /// The program.
        program: PathBuf,
        /// The version that it says, or why it says none.
        found: String,
        /// The oldest version that would do.
        oldest: Version,
    },
}

/// A major and a minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { folder, missing } => write!(
                f,
                "{ASSETS} is {}, but {missing} isn't there. Set it to a folder with both kube-apiserver and etcd \
                 (`setup-envtest use -p path` prints one), or unset it",
                folder.display()
            ),
            Self::Version { program, found, oldest } => write!(
                f,
                "{} can't be used: {found}, but the sandbox needs {oldest} or newer (kube-apiserver \
                 {OLDEST_KUBERNETES}, the oldest that k8s-openapi has types for, and etcd {OLDEST_ETCD}). Set {ASSETS} to a \
                 folder with newer programs; or take these off the PATH and unset {ASSETS}, so that the sandbox builds its own",
                program.display()
            ),
        }
    }
}

impl Error for Unusable {}

impl Binaries {
    /// Finds them in `KUBEBUILDER_ASSETS`, on PATH, in the cache folder, or in the store of setup-envtest. `None` if none of
    /// these has them, so that they have to be built.
    ///
    /// # Errors
    ///
    /// If those in `KUBEBUILDER_ASSETS` or on PATH can't be used: other ones would be a surprise.
    pub fn find() -> Result<Option<Self>, Unusable> {
        if let Some(folder) = environment::variable(ASSETS).map(PathBuf::from) {
            let found = Self::in_folder(&folder).map_err(|missing| Unusable::Incomplete { folder, missing });
            return found?.supported().map(Some);
        }
        match Self::on_path() {
            Some(found) => found.supported().map(Some),
            None => Ok(Self::in_cache().or_else(Self::by_setup_envtest)),
        }
    }

    /// The programs in a folder, or the name of the first missing one.
    pub fn in_folder(folder: &Path) -> Result<Self, &'static str> {
        let program = |name: &'static str| {
            let path = environment::absolute(&folder.join(name));
            if path.is_file() { Ok(path) } else { Err(name) }
        };
        Ok(Self {
            kube_apiserver: program("kube-apiserver")?,
            etcd: program("etcd")?,
            kubectl: environment::program("kubectl").or_else(|| program("kubectl").ok()),
        })
    }

    fn on_path() -> Option<Self> {
        Some(Self {
            kube_apiserver: environment::program("kube-apiserver")?,
            etcd: environment::program("etcd")?,
            kubectl: environment::program("kubectl"),
        })
    }

    fn in_cache() -> Option<Self> {
        Self::in_folder(&cache::path("control-plane")?.join(release::cache_key())).ok()
    }

    /// The newest ones that setup-envtest has installed. It isn't asked to download any.
    fn by_setup_envtest() -> Option<Self> {
        let setup_envtest = environment::program("setup-envtest")?;
        let output = Command::new(setup_envtest).args(["use", "-i", "-p", "path"]).output().ok()?;
        let path = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Self::in_folder(Path::new(path.trim())).ok()?.supported().ok()
    }

    fn supported(self) -> Result<Self, Unusable> {
        for (program, oldest) in [(&self.kube_apiserver, OLDEST_KUBERNETES), (&self.etcd, OLDEST_ETCD)] {
            let said = said_version(program);
            if let Some(found) = unsupported(&said, oldest) {
                return Err(Unusable::Version { program: program.clone(), found, oldest });
            }
        }
        Ok(self)
    }
}

/// The first line of what a program prints for `--version`, or why it prints none.
fn said_version(program: &Path) -> String {
    let output = match Command::new(program).arg("--version").output() {
        Ok(output) => output,
        Err(error) => return format!("it doesn't run ({error})"),
    };
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("it doesn't say its version").to_owned()
}

/// What a program has said, if that isn't a version of at least `oldest`.
fn unsupported(said: &str, oldest: Version) -> Option<String> {
    let is_supported = said.split_whitespace().find_map(version).is_some_and(|version| version >= oldest);
    (!is_supported).then(|| said.to_owned())
}

/// The version in a word such as `v1.37.2` or `go1.26`.
pub(crate) fn version(word: &str) -> Option<Version> {
    let mut numbers = word.trim_start_matches(|first: char| first.is_ascii_alphabetic()).split('.');
    let minor = |text: &str| {
        let digits = text.find(|other: char| !other.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse().ok()
    };
    Some(Version(numbers.next()?.parse().ok()?, minor(numbers.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_whether_it_is_new_enough() {
        let cases = [
            ("Kubernetes v1.37.2", OLDEST_KUBERNETES, true),
            ("Kubernetes v1.33.0-rc.1", OLDEST_KUBERNETES, true),
            ("Kubernetes v1.32.11", OLDEST_KUBERNETES, false),
            ("Kubernetes v2.0.0", OLDEST_KUBERNETES, true),
            ("etcd Version: 3.7.3", OLDEST_ETCD, true),
            ("etcd Version: 3.4.30", OLDEST_ETCD, false),
            ("it doesn't run (Exec format error)", OLDEST_ETCD, false),
            ("", OLDEST_ETCD, false),
        ];
        for (said, oldest, expected) in cases {
            assert_eq!(unsupported(said, oldest).is_none(), expected, "{said}");
        }
    }

    #[test]
    fn a_word_with_a_version_begins_with_letters_or_digits() {
        let words = ["v1.37.2", "go1.26", "1.26rc1", "Version:", "linux/amd64", "1"];
        let versions = [Some(Version(1, 37)), Some(Version(1, 26)), Some(Version(1, 26)), None, None, None];
        assert_eq!(words.map(version), versions);
    }

    #[test]
    fn an_unusable_program_is_named_with_the_versions_that_would_do() {
        let found = "Kubernetes v1.20.0".to_owned();
        let error =
            Unusable::Version { program: "/old/kube-apiserver".into(), found, oldest: OLDEST_KUBERNETES };
        let text = error.to_string();
        assert!(
            text.starts_with(
                "/old/kube-apiserver can't be used: Kubernetes v1.20.0, but the sandbox needs 1.33"
            ),
            "{text}"
        );
    }
}
