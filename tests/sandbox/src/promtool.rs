//! promtool, which says what Prometheus makes of metrics and of rules: the one on PATH, or else one that is built with Go.

use std::path::PathBuf;

use korf_programs::{environment, release};

use crate::Result;
use crate::go::GoBuild;

const GO_MOD: &str = include_str!("../promtool/go.mod");
const GO_SUM: &str = include_str!("../promtool/go.sum");
const PACKAGE: &str = "github.com/prometheus/prometheus/cmd/promtool";
/// Without the clients of clouds, which are most of it.
const ARGUMENTS: [&str; 4] = ["-tags", "remove_all_sd", "-ldflags", "-s -w"];

/// The path of promtool, which is built into the cache folder if it isn't on PATH.
///
/// # Errors
///
/// It isn't there, and can't be built: [`Error::NoGo`](crate::Error::NoGo), if that is why.
pub async fn promtool() -> Result<PathBuf> {
    if let Some(found) = environment::program("promtool") {
        return Ok(found);
    }
    let build = GoBuild {
        what: "promtool".to_owned(),
        takes: "about 2 minutes on two cores",
        folder: "promtool",
        key: format!("promtool-{}", release::digest(&[GO_MOD, GO_SUM, PACKAGE, &ARGUMENTS.join(" ")])),
        go_mod: GO_MOD,
        go_sum: GO_SUM,
        packages: &[PACKAGE],
        arguments: &ARGUMENTS,
    };
    Ok(build.built(|_| Ok(())).await?.join("promtool"))
}
