//! Names of constraints and indexes that the operator makes.
//!
//! They follow from the names of table and column, so that what an interrupted attempt has left is found again.

use crate::{
    catalog::{CHECK_PREFIX, FoundIndexes, UniqueIndex},
    hash::fnv1a as hash,
    identifier::{MAX_BYTES, quote},
    spec::Index,
};
use std::collections::BTreeSet;

/// The names in a table's schema that an index of it can't get, exact, as far as they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenNames {
    /// Those that are there: indexes of the table, and whatever others have.
    pub present: BTreeSet<String>,
    /// Those of indexes that the spec has.
    pub wanted: BTreeSet<String>,
}

impl TakenNames {
    /// The names that are there, and those of indexes that the spec has.
    pub fn of(wanted: &[Index], found: &FoundIndexes) -> Self {
        let others = found.taken.iter().map(|(name, _)| name);
        Self {
            present: found.present.iter().map(|index| &index.name).chain(others).cloned().collect(),
            wanted: wanted.iter().map(|index| index.name.as_str().to_owned()).collect(),
        }
    }

    /// Whether nothing has the name, nor will have it.
    pub fn is_free(&self, name: &String) -> bool {
        !self.present.contains(name) && !self.wanted.contains(name)
    }
}

/// The names that the UNIQUE constraint of a column, and its index, may get: as the server would choose it, if it fits, and one for
/// where something else has that.
pub fn unique_names(table: &str, column: &str) -> [String; 2] {
    let both = format!("{}.{}", quote(table), quote(column));
    [fitting(format!("{table}_{column}_key")), format!("{CHECK_PREFIX}unique_{:016x}", hash(&both))]
}

/// The name for the UNIQUE constraint of a column, of which these indexes on it alone are there: that of what an earlier attempt has
/// left, or else a free one.
pub fn chosen_unique_name(table: &str, column: &str, present: &[UniqueIndex], taken: &TakenNames) -> String {
    let [first, second] = unique_names(table, column);
    let is_left =
        |name: &String| !taken.wanted.contains(name) && present.iter().any(|index| index.name == *name);
    if is_left(&first) || !is_left(&second) && taken.is_free(&first) { first } else { second }
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

/// The names that it may have: one for where the constraint of another column has the first one.
pub fn not_null_names(column: &str) -> [String; 2] {
    [not_null_name(column), format!("{CHECK_PREFIX}not_null_{:016x}", hash(column))]
}

/// A name for the sequence of a column, which nothing else has: the one that the server would choose may be that of a column that was
/// renamed.
pub fn sequence_name(table: &str, column: &str) -> String {
    format!("{CHECK_PREFIX}sequence_{:016x}", hash(&format!("{}.{}", quote(table), quote(column))))
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
        assert_eq!(unique_names("users", "email"), ["users_email_key", "korf_unique_0b517d2634991d0d"]);
        assert_eq!(key_names("users"), ["users_pkey", "korf_pkey_42288471628c3333"]);
        assert_eq!(not_null_name("email"), "korf_email_not_null");
        assert_eq!(successor_name("i"), "korf_successor_af63e44c8601fa24");
        let (one, other) = ("ü".repeat(31), "ü".repeat(30) + "xx");
        let [key, other_key] = key_names(&one);
        let names = [
            key,
            other_key,
            unique_names(&one, "a")[0].clone(),
            unique_names(&one, "b")[0].clone(),
            unique_names(&other, "a")[0].clone(),
            unique_names("a_b", "c")[1].clone(),
            unique_names("a", "b_c")[1].clone(),
            not_null_name(&one),
            successor_name(&one),
            successor_name(&other),
        ];
        for (number, name) in names.iter().enumerate() {
            assert!(name.len() <= MAX_BYTES, "{name}");
            assert!(!names[..number].contains(name), "{name}");
        }
    }

    #[test]
    fn a_unique_constraint_gets_a_name_that_is_free() {
        let [first, second] = unique_names("t", "a");
        let names = |names: &[&String]| names.iter().map(ToString::to_string).collect();
        let index = |name: &String| UniqueIndex {
            name: name.clone(),
            is_valid: false,
            is_plain: true,
            is_key: false,
            is_identity: false,
            constraint: None,
        };
        for (on_column, present, wanted, expected) in [
            (vec![], vec![], vec![], &first),
            // Another column's, which was renamed; another table's; or anything else.
            (vec![], vec![&first], vec![], &second),
            (vec![], vec![], vec![&first], &second),
            (vec![index(&first)], vec![&first], vec![], &first),
            (vec![index(&second)], vec![&second], vec![], &second),
            (vec![index(&first)], vec![&first], vec![&first], &second),
        ] {
            let taken = TakenNames { present: names(&present), wanted: names(&wanted) };
            assert_eq!(
                &chosen_unique_name("t", "a", &on_column, &taken),
                expected,
                "{on_column:?} {taken:?}"
            );
        }
    }
}
