//! Cache folder: what is built or downloaded once, by one process while others wait for it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::terminal::Progress;
use crate::{Error, Result};

/// The time between two looks at a lock or at work that is under way.
pub(crate) const POLL: Duration = Duration::from_millis(200);

/// This folder in the cache folder, which is made.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let path = korf_programs::cache::path(name).ok_or(Error::NoCacheFolder)?;
    fs::create_dir_all(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    Ok(path)
}

/// Makes sure that only one process does what the others wait for, until the file is dropped. If we die, the kernel releases
/// it.
pub(crate) async fn lock(path: &Path, waiting: &str) -> Result<File> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let file = File::create(path).map_err(failed)?;
    let mut progress = Progress::start();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress.show(waiting),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        tokio::time::sleep(POLL).await;
    }
}
