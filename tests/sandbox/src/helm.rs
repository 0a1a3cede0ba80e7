//! helm, which installs charts: the one on PATH, or else one that is built with Go.

use std::path::PathBuf;

use korf_programs::{environment, release};

use crate::Result;
use crate::go::GoBuild;

const GO_MOD: &str = include_str!("../helm/go.mod");
const GO_SUM: &str = include_str!("../helm/go.sum");
const PACKAGE: &str = "helm.sh/helm/v4/cmd/helm";
const ARGUMENTS: [&str; 2] = ["-ldflags", "-s -w"];

/// The path of helm, which is built into the cache folder if it isn't on PATH.
///
/// # Errors
///
/// It isn't there, and can't be built: [`Error::NoGo`](crate::Error::NoGo), if that is why.
pub async fn helm() -> Result<PathBuf> {
    if let Some(found) = environment::program("helm") {
        return Ok(found);
    }
    let build = GoBuild {
        what: "helm".to_owned(),
        takes: "about 3 minutes on two cores",
        folder: "helm",
        key: format!("helm-{}", release::digest(&[GO_MOD, GO_SUM, PACKAGE, &ARGUMENTS.join(" ")])),
        go_mod: GO_MOD,
        go_sum: GO_SUM,
        packages: &[PACKAGE],
        arguments: &ARGUMENTS,
    };
    Ok(build.built(|_| Ok(())).await?.join("helm"))
}
