//! Build of the control plane with Go, once per version, into the cache folder.

use std::fs;

use korf_programs::control_plane::Binaries;
use korf_programs::release::{GO_MOD, GO_SUM, PACKAGES, cache_key, linker_flags, version};

use crate::go::GoBuild;
use crate::{Error, Result};

/// Finds the programs, or builds them into the cache folder.
pub(crate) async fn found_or_built() -> Result<Binaries> {
    match Binaries::find()? {
        Some(found) => Ok(found),
        None => built().await,
    }
}

async fn built() -> Result<Binaries> {
    let build = GoBuild {
        what: format!("kube-apiserver {}, etcd and kubectl", version("k8s.io/kubernetes")),
        takes: "about 7 minutes on two cores",
        folder: "control-plane",
        key: cache_key(),
        go_mod: GO_MOD,
        go_sum: GO_SUM,
        packages: &PACKAGES,
        arguments: &["-ldflags", &linker_flags()],
    };
    let built = build.built(|programs| fs::rename(programs.join("server"), programs.join("etcd"))).await;
    let folder = built.map_err(|error| match error {
        Error::NoGo(need) => Error::NoControlPlane(need),
        error => error,
    })?;
    Binaries::in_folder(&folder).map_err(|missing| Error::File {
        path: folder.join(missing),
        source: std::io::ErrorKind::NotFound.into(),
    })
}
