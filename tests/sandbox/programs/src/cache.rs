//! Cache folder: where what is built or downloaded once is kept.

use std::path::PathBuf;

use crate::environment;

/// The path of this folder in `KORF_CACHE_DIR`, or else in `korf` in the user's cache folder. It may not exist yet. `None` if
/// the environment names no folder.
pub fn path(name: &str) -> Option<PathBuf> {
    let named = |name: &str| environment::variable(name).map(PathBuf::from);
    let cache = named("KORF_CACHE_DIR")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("korf")))
        .or_else(|| Some(named("HOME")?.join(".cache/korf")))?;
    Some(cache.join(name))
}
