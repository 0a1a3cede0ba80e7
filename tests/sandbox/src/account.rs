//! The account for PostgreSQL if we are root, because its server does not run as root.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Error, Result};

/// A user account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account to switch to: `postgres`, or else `nobody`. `None` if we aren't root.
pub(crate) fn unprivileged() -> Result<Option<Account>> {
    let id = Command::new("id").arg("-u").output().map_err(|_| Error::NoAccount)?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(|_| Error::NoAccount)?;
    let account = ["postgres", "nobody"].iter().find_map(|name| entry(&accounts, name));
    account.map(Some).ok_or(Error::NoAccount)
}

/// Whether all accounts can get to a folder, and have these permissions there.
pub(crate) fn lets_all(folder: &Path, permissions: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let lets = |folder: &Path, bits: u32| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & bits == bits)
    };
    lets(folder, permissions) && folder.ancestors().skip(1).all(|above| lets(above, 0o001))
}

fn entry(accounts: &str, name: &str) -> Option<Account> {
    let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let entry = accounts.lines().map(fields).find(|fields| fields[0] == name)?;
    Some(Account { uid: number(entry.get(2)?)?, gid: number(entry.get(3)?)? })
}

/// Parses a numeric id. Some systems write the one of `nobody` as -2.
fn number(field: &str) -> Option<u32> {
    field.parse().ok().or_else(|| field.parse::<i32>().ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:5:5::/:\npostgres:x:101:104:,,,:/:/bin/bash\n";
        assert_eq!(entry(accounts, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(entry(accounts, "nobody"), None);
    }

    #[test]
    fn a_negative_number_wraps_round() {
        let nobody = entry("nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false", "nobody");
        assert_eq!(nobody, Some(Account { uid: u32::MAX - 1, gid: u32::MAX - 1 }));
    }
}
