//! Conflicts about indexes, in words.

use crate::identifier::quote;

/// An index that stands in the way of one in a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexConflict {
    /// Something in the schema has its name.
    #[error(
        "index {} can't be built on table {table}: {kind} of its schema has this name. Choose another one in spec.indexes",
        quote(.index)
    )]
    NameTaken {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
        /// What has the name.
        kind: &'static str,
    },
    /// An index that didn't come from the spec differs from it.
    #[error(
        "table {table} has an index {} that isn't the object's and {}, so it is left alone: drop or rename it, or choose another \
         name in spec.indexes",
        quote(.index),
        if *.is_valid { "isn't as spec.indexes asks" } else { "isn't valid" }
    )]
    OfOthers {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
        /// Whether queries can use it.
        is_valid: bool,
    },
    /// The index of a constraint differs from the spec.
    #[error(
        "index {} of table {table} is that of a constraint and isn't as spec.indexes asks, so it is left alone: choose another \
         name in spec.indexes",
        quote(.index)
    )]
    OfConstraint {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
    },
    /// A constraint of a new table gets the index's name.
    #[error(
        "index {} can't be built on table {table}: its primary key or a UNIQUE column gets this name. Choose another one in \
         spec.indexes",
        quote(.index)
    )]
    NamedAsConstraint {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
    },
    /// An index that is to be dropped tells rows apart for replication.
    #[error(
        "index {} of table {table} is its REPLICA IDENTITY, so it is neither dropped nor replaced: run ALTER TABLE {table} REPLICA \
         IDENTITY DEFAULT (or FULL, or USING INDEX another one) first",
        quote(.index)
    )]
    IsIdentity {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
    },
    /// The indexes of a partitioned table can't be built beside its use.
    #[error(
        "table {table} has partitions, so its indexes can't be built or dropped without a lock: do it yourself, as spec.indexes \
         says"
    )]
    Partitioned {
        /// The table.
        table: String,
    },
    /// Another connection builds one.
    #[error("index {} of table {table} is being built by another connection of the operator's user", quote(.index))]
    BeingBuilt {
        /// The index, exact.
        index: String,
        /// The table.
        table: String,
    },
}
