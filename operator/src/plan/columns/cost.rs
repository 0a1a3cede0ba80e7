//! Cost of a change: whether it is quick, or goes through all rows of a table while nobody else can use it. Pure.

use crate::{
    catalog::Weight,
    spec::{DefaultValue, Values},
    types::ResolvedColumn,
};
use postgres_types::Type;
use std::fmt;

/// The most bytes that are written again, or read, while nobody can use the table: about a second.
const MOST_BYTES: i64 = 128 << 20;

/// Why a change goes through all rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Each row gets a value of its own.
    OwnValues,
    /// The type is a domain, whose constraints are checked in each row, or whose default is computed for each.
    Domain,
    /// Indexes or checks, in words, are made again.
    Remade(Vec<String>),
    /// Values are stored in more bytes.
    Longer {
        /// The type that they get.
        type_: String,
        /// The foreign keys, in words, that are checked again, with the rows on their other sides.
        keys: Vec<String>,
    },
}

/// Whether a change that goes through all rows may be made at once.
pub fn is_quick(weight: &Weight) -> bool {
    weight.bytes <= MOST_BYTES
}

/// Whether the addition of a column may go through all rows, as far as that is known without the [`Weight`].
pub fn may_write(column: &ResolvedColumn) -> bool {
    has_own_values(column) || Type::from_oid(column.type_.id.oid).is_none()
}

/// Why the addition of a column goes through all rows, if it does.
pub fn of_new(column: &ResolvedColumn, weight: &Weight) -> Option<Cause> {
    match has_own_values(column) {
        true => Some(Cause::OwnValues),
        false => weight.written.contains(&column.type_.id.oid).then_some(Cause::Domain),
    }
}

/// Why another type of a column goes through all rows, although their values stay as they are, if it does.
pub fn of_wider(column: &str, weight: &Weight) -> Option<Cause> {
    weight.remade.get(column).cloned().map(Cause::Remade)
}

/// Why a longer integer in a column goes through all rows, and the weight of all that it goes through.
pub fn of_longer(column: &str, type_: &str, weight: &Weight) -> (Cause, Weight) {
    let keys = weight.foreign.get(column).map(Vec::as_slice).unwrap_or_default();
    let bytes = keys.iter().fold(weight.bytes, |bytes, (_, other)| bytes.saturating_add(*other));
    let keys = keys.iter().map(|(key, _)| key.clone()).collect();
    (Cause::Longer { type_: type_.to_owned(), keys }, Weight { bytes, ..weight.clone() })
}

fn has_own_values(column: &ResolvedColumn) -> bool {
    let has_own_default = column.settings.default.as_ref().is_some_and(DefaultValue::is_volatile);
    column.type_.serial || has_own_default || column.settings.values != Values::Written
}

/// What becomes of a column.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnValues => f.write_str("would get a value of its own in each row"),
            Self::Domain => f.write_str("would be checked against its domain, or filled by it, in each row"),
            Self::Remade(what) => {
                write!(f, "would get a wider type, for which {} would be made again", what.join(", "))
            }
            Self::Longer { type_, keys } if keys.is_empty() => {
                write!(f, "would become {type_}, for which all rows are written again")
            }
            Self::Longer { type_, keys } => write!(
                f,
                "would become {type_}, for which all rows are written again and {} checked, with the rows on the other side",
                keys.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_all_rows_is_quick_up_to_a_size() {
        for (bytes, quick) in [(0, true), (128 << 20, true), ((128 << 20) + 1, false), (i64::MAX, false)] {
            assert_eq!(is_quick(&Weight { bytes, ..Weight::default() }), quick, "{bytes}");
        }
    }
}
