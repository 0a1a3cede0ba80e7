//! Names of constraints and indexes that the operator makes.
//!
//! They follow from the names of table and column, so that what an interrupted attempt has left is found again.

use crate::{catalog::CHECK_PREFIX, hash::fnv1a as hash, identifier::MAX_BYTES};

/// The name of the UNIQUE constraint of a column, and of its index: as the server would choose it, if it fits.
pub fn unique_name(table: &str, column: &str) -> String {
    fitting(format!("{table}_{column}_key"))
}

/// The names that the index of a primary key, and the key, may get: as the server would choose it, and one for where something
/// else has that.
pub fn key_names(table: &str) -> [String; 2] {
    [fitting(format!("{table}_pkey")), format!("{CHECK_PREFIX}pkey_{:016x}", hash(table))]
}

/// The name of the check that stands in for a NOT NULL while rows of before are looked at; in PostgreSQL 18, of the NOT NULL
/// itself.
pub fn not_null_name(column: &str) -> String {
    fitting(format!("{CHECK_PREFIX}{column}_not_null"))
}

/// The name of the index that is to take the place of another one.
pub fn successor_name(index: &str) -> String {
    format!("{CHECK_PREFIX}successor_{:016x}", hash(index))
}

/// The name, or what tells it from others of the same beginning, if PostgreSQL would cut it.
fn fitting(name: String) -> String {
    if name.len() <= MAX_BYTES {
        return name;
    }
    let mark = format!("_{:016x}", hash(&name));
    let mut end = MAX_BYTES - mark.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        assert_eq!(unique_name("users", "email"), "users_email_key");
        assert_eq!(key_names("users"), ["users_pkey", "korf_pkey_42288471628c3333"]);
        assert_eq!(not_null_name("email"), "korf_email_not_null");
        assert_eq!(successor_name("i"), "korf_successor_af63e44c8601fa24");
        let (one, other) = ("ü".repeat(31), "ü".repeat(30) + "xx");
        let [key, other_key] = key_names(&one);
        let names = [
            key,
            other_key,
            unique_name(&one, "a"),
            unique_name(&one, "b"),
            unique_name(&other, "a"),
            not_null_name(&one),
            successor_name(&one),
            successor_name(&other),
        ];
        for (number, name) in names.iter().enumerate() {
            assert!(name.len() <= MAX_BYTES, "{name}");
            assert!(!names[..number].contains(name), "{name}");
        }
    }
}
