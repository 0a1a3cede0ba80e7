//! Changes that lose nothing, and steps behind them.

use crate::{
    identifier::{Identifier, quote},
    spec::{DefaultValue, Identity, Index},
    types::ResolvedColumn,
};
use std::fmt;

/// A change to a table that is quick and loses nothing. All changes of a plan are made in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// End the build of an index, exact, which would stand in the way of the other changes.
    CancelBuild(String),
    /// End the validation of a constraint, exact, which nobody asks for any more.
    CancelValidation(String),
    /// Create its schema.
    CreateSchema,
    /// Create the table, with all columns.
    CreateTable,
    /// Create an index with the table.
    CreateIndex(Index),
    /// Add a column.
    AddColumn(ResolvedColumn),
    /// Rename a column.
    Rename {
        /// Its name, exact.
        from: String,
        /// Its new name.
        to: Identifier,
    },
    /// Rename an index, with its constraint if it has one, along with its column; both exact.
    RenameIndex {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Rename a constraint along with its column; both exact.
    RenameConstraint {
        /// Its name.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Give a column a type that has all values of the former one.
    Widen {
        /// The column.
        column: Identifier,
        /// Its present type.
        from: String,
        /// The type, as in a statement.
        type_: String,
        /// Its collation, if it isn't the type's: otherwise it would become that.
        collation: Option<String>,
    },
    /// Let the sequence of a `serial` have all numbers of a wider type.
    WidenSequence {
        /// The column.
        column: Identifier,
        /// The sequence, as in a statement.
        sequence: String,
        /// The type.
        type_: String,
    },
    /// Set a default.
    SetDefault {
        /// The column.
        column: Identifier,
        /// The default.
        default: DefaultValue,
    },
    /// Drop a default.
    DropDefault {
        /// The column.
        column: Identifier,
    },
    /// Allow NULL.
    DropNotNull {
        /// The column.
        column: Identifier,
    },
    /// Change whether a row may bring its own value of an identity column.
    SetIdentity {
        /// The column.
        column: Identifier,
        /// Whether it may.
        identity: Identity,
    },
    /// Drop a constraint of one column.
    DropConstraint {
        /// The constraint, exact.
        name: String,
        /// The column.
        column: Identifier,
    },
    /// Set a column's comment; an empty one is none.
    Comment {
        /// The column.
        column: Identifier,
        /// The comment.
        text: String,
    },
}

/// For people.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelBuild(name) => write!(f, "build of index {}, cancelled", quote(name)),
            Self::CancelValidation(name) => write!(f, "validation of constraint {}, given up", quote(name)),
            Self::CreateSchema => f.write_str("the schema"),
            Self::CreateTable => f.write_str("the table"),
            Self::CreateIndex(index) => write!(f, "index {}", index.name),
            Self::AddColumn(column) => write!(f, "column {}", column.name),
            Self::Rename { from, to } => write!(f, "name of column {to}, formerly {}", quote(from)),
            Self::RenameIndex { from, to } => {
                write!(f, "name of index {}, formerly {}", quote(to), quote(from))
            }
            Self::RenameConstraint { from, to } => {
                write!(f, "name of constraint {}, formerly {}", quote(to), quote(from))
            }
            Self::Widen { column, type_, .. } => write!(f, "type of column {column}, now {type_}"),
            Self::WidenSequence { column, type_, .. } => {
                write!(f, "type of the sequence of column {column}, now {type_}")
            }
            Self::SetDefault { column, default } => write!(f, "default of column {column}, now {default}"),
            Self::DropDefault { column } => write!(f, "default of column {column}, dropped"),
            Self::DropNotNull { column } => write!(f, "NOT NULL of column {column}, dropped"),
            Self::SetIdentity { column, identity } => {
                write!(f, "identity of column {column}, now {identity}")
            }
            Self::DropConstraint { name, column } => {
                write!(f, "constraint {} of column {column}, dropped", quote(name))
            }
            Self::Comment { column, .. } => write!(f, "comment of column {column}"),
        }
    }
}

/// A step behind the changes of a plan: it may take long, and each is done by itself. What is left of one that was
/// interrupted, the next plan finds in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about, in words.
    pub what: String,
    /// A query asked first: if it finds a row, the step can't be done, and nothing is. Without an [obstacle](Self::obstacle), the
    /// plan is out of date then.
    pub query: Option<String>,
    /// Its statements.
    pub statements: Vec<String>,
    /// How they are executed.
    pub kind: StepKind,
    /// The statement that takes back what was done before this step, or by a part of it, if rows stand in its way.
    pub undo: Option<String>,
    /// What stands in its way if rows do; `None` if they can't.
    pub obstacle: Option<Obstacle>,
}

/// How the statements of a step are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// In one transaction.
    Transaction,
    /// Each by itself, because it can't be in a transaction.
    Alone,
}

/// What can be in the way of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Rows have no value in the column.
    Nulls {
        /// The column.
        column: Identifier,
    },
    /// Rows have the same value in the column.
    Duplicates {
        /// The column.
        column: Identifier,
        /// The query that finds them.
        query: String,
    },
    /// Rows have no value in a column of the primary key that the table lacks.
    KeyNulls {
        /// The column.
        column: Identifier,
        /// The query that finds them.
        query: String,
    },
    /// Rows have the same values in the primary key that the table lacks.
    KeyDuplicates {
        /// The columns of the key.
        columns: Vec<Identifier>,
        /// The query that finds them.
        query: String,
    },
    /// Rows have the same values in an index that is to be unique.
    IndexDuplicates {
        /// The index.
        index: Identifier,
        /// The query that finds them.
        query: String,
    },
}

impl Obstacle {
    /// The query that finds the rows, if it has to read all of them.
    pub fn duplicates(&self) -> Option<&str> {
        match self {
            Self::Duplicates { query, .. }
            | Self::KeyDuplicates { query, .. }
            | Self::IndexDuplicates { query, .. } => Some(query),
            Self::Nulls { .. } | Self::KeyNulls { .. } => None,
        }
    }
}

/// In words, with what to do.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nulls { column } => write!(
                f,
                "rows have no value in column {column}, so it can't become NOT NULL: give them one (UPDATE … SET {column} = … \
                 WHERE {column} IS NULL), or remove nullable: false"
            ),
            Self::Duplicates { column, query } => write!(
                f,
                "rows have the same value in column {column}, so it can't become UNIQUE: find them by {query}; and make the values \
                 different, or remove unique: true"
            ),
            Self::KeyNulls { column, query } => write!(
                f,
                "the table lacks the primary key, and rows have no value in its column {column}, so it can't be added: find them by \
                 {query}; and give them one, or delete them"
            ),
            Self::KeyDuplicates { columns, query } => {
                let names: Vec<_> = columns.iter().map(Identifier::to_string).collect();
                write!(
                    f,
                    "the table lacks the primary key, and rows have the same ({}), so it can't be added: find them by {query}; and \
                     make them different, or delete all but one",
                    names.join(", ")
                )
            }
            // Without their values, which don't belong into a status or a log.
            Self::IndexDuplicates { index, query } => write!(
                f,
                "rows have the same values in index {index}, so it can't be unique: find them by {query}; and make the values \
                 different, or remove unique: true"
            ),
        }
    }
}
