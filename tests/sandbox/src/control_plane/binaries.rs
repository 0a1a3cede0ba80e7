//! Search for the control plane's programs.

use std::path::{Path, PathBuf};

use super::from_source;
use crate::{Error, Result, environment};

/// The paths of the programs. Only some tests need kubectl.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) kubectl: Option<PathBuf>,
}

impl Binaries {
    /// Finds them in `KUBEBUILDER_ASSETS`, on PATH, or in the cache folder, or builds them from source into
    /// the latter.
    pub(crate) async fn find() -> Result<Self> {
        if let Some(folder) = environment::variable("KUBEBUILDER_ASSETS") {
            return in_assets(PathBuf::from(folder));
        }
        if let (Some(kube_apiserver), Some(etcd)) =
            (environment::program("kube-apiserver"), environment::program("etcd"))
        {
            return Ok(Self { kube_apiserver, etcd, kubectl: environment::program("kubectl") });
        }
        from_source::binaries().await
    }

    /// The programs in a folder, or the name of the first missing one.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, &'static str> {
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
}

fn in_assets(folder: PathBuf) -> Result<Binaries> {
    Binaries::in_folder(&folder).map_err(|missing| Error::IncompleteAssets { folder, missing })
}
