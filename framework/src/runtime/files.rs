//! Open files: how many watches the process has room for.
//!
//! Each watch is a connection of its own, and so an open file: kube's client speaks HTTP/1.1.

use std::{fs, sync::LazyLock};

/// The most files that the process may have open; none where that isn't known, or there is no limit.
pub fn limit() -> Option<usize> {
    static LIMIT: LazyLock<Option<usize>> =
        LazyLock::new(|| soft_limit(&fs::read_to_string("/proc/self/limits").ok()?));
    *LIMIT
}

/// Whether so many watches leave too little room for other files: requests, handlers, and those that the program itself opens.
pub fn are_scarce(watches: usize, limit: usize) -> bool {
    watches >= limit / 4 * 3
}

/// The soft limit in `/proc/self/limits`.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             127                  127                  processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit(&limits.replace("1024", "unlimited")), None);
        assert_eq!(soft_limit(""), None);
        assert_eq!([767, 768].map(|watches| are_scarce(watches, 1024)), [false, true]);
    }
}
