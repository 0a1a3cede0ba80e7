//! Conflicts that a person has to resolve, in words.

use super::{Cause, Difference, DriftHint, Forget, IndexConflict, Obstacle};
use crate::{
    catalog::{Generated, Key},
    identifier::{Identifier, quote},
    marker::Owner,
};
use std::fmt;

/// When rows that are in the way are looked at again.
pub(super) const RETRIED: &str = "It is tried again after five minutes, then ever more seldom, because all rows are read each time, and at \
                                  once when the object changes, such as by kubectl label";

/// A key that isn't there, in words.
const ABSENT: &str = "absent";

/// A conflict that a person has to resolve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The table exists, and its comment names no object.
    #[error(
        "table {table} already exists and doesn't belong to a DatabaseTable, so it is left alone: set adoptionPolicy: \
         IfCompatible to take it over as it is, or delete this object and create one with another tableName"
    )]
    Unmarked {
        /// The table.
        table: String,
    },
    /// The table's comment names no object, and it isn't what the spec asks for.
    #[error(
        "table {table} already exists and doesn't belong to a DatabaseTable, and it isn't taken over, because that would \
         change it: {}. Change the spec or the table, or delete this object and create one with another tableName",
        join(.differences)
    )]
    NotAdopted {
        /// The table.
        table: String,
        /// How it differs from the spec.
        differences: Vec<String>,
        /// The statements that would make it as the spec asks.
        pending: Vec<String>,
    },
    /// The table was the object's, and its comment no longer says so.
    #[error(
        "table {table} is this object's by its status, but has lost the line in its comment that says so, and it isn't written \
         again, because {}",
        why_lost(.differences)
    )]
    LineLost {
        /// The table.
        table: String,
        /// How it differs from the spec; empty if that doesn't matter, because nothing is repaired.
        differences: Vec<String>,
        /// The statements that would make it as the spec asks.
        pending: Vec<String>,
    },
    /// The table's comment names no object, and it isn't what the operator before this one has made.
    #[error(
        "table {table} isn't as the spec says that was handled last, by an operator that doesn't put owners into comments, so it \
         is left alone: {}. If it is this object's, change it back or set adoptionPolicy: IfCompatible (to delete the object, \
         drop the table)",
        join(.differences)
    )]
    Strange {
        /// The table.
        table: String,
        /// How it differs from the spec that was handled last.
        differences: Vec<String>,
    },
    /// The table belongs to another object.
    #[error(
        "table {table} belongs to the DatabaseTable {owner}{}, so it is left alone: delete this object and create one with \
         another tableName{}",
        if *.foreign { " in another cluster" } else { "" },
        way_to_own(.owner, *.foreign)
    )]
    OwnedByAnother {
        /// The table.
        table: String,
        /// The other object.
        owner: Owner,
        /// Whether the other object is in another cluster.
        foreign: bool,
    },
    /// The table's comment names the object, and the table is that of a role which has nothing to do with the operator's.
    #[error(
        "table {table} belongs to the role {}, whose rights the operator's role doesn't have, so it is left alone, though the line in its \
         comment names this object: everybody can write such a line. If the table is this object's, run GRANT {0} TO the operator's \
         role, or ALTER TABLE {table} OWNER TO that role; otherwise drop it, or delete this object and create one with another tableName",
        quote(.role)
    )]
    OfStranger {
        /// The table.
        table: String,
        /// The role that has it, exact.
        role: String,
    },
    /// Another object of the same cluster id, namespace and name claims the table, too.
    #[error(
        "table {table} is also that of another DatabaseTable {}, with uid {}, so nothing is done to it: the operator of another \
         cluster has the same cluster id, {:?}, or this cluster was restored from before that object was created. Give the other \
         cluster a --cluster-id of its own, and then, if the table is to be this object's, run the statement in status.pending; or \
         delete the object that isn't to have it, without deletionPolicy Retain, which would leave its claim: the table stays, and the other one \
         has it",
        .dispute.owner,
        .dispute.rivals.join(", "),
        .dispute.owner.cluster
    )]
    Disputed {
        /// The table.
        table: String,
        /// Who claims it.
        dispute: Box<Dispute>,
    },
    /// The name is taken by a view or the like.
    #[error(
        "{table} is {kind}, not a table, so it is left alone: delete this object and create one with another \
         tableName"
    )]
    NotATable {
        /// The name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// Somebody has put a view or the like in the place of the object's table, and its line into the comment.
    #[error(
        "{table} is {kind}, not a table, so nothing was dropped: drop it yourself, or remove the object's line from its \
         comment"
    )]
    NoTableToDrop {
        /// The name.
        table: String,
        /// What it is.
        kind: &'static str,
    },
    /// The object has a table of another name.
    #[error(
        "this object's table is {existing}, and tables aren't renamed or moved, so nothing was changed: set \
         tableName and schema back, or {}delete the object and create a new one for {wanted}",
        if .pending.is_empty() { "" } else { "run the statements in status.pending, or " }
    )]
    Renamed {
        /// The table that is asked for.
        wanted: String,
        /// The table that exists.
        existing: String,
        /// The statements that would make it the one that is asked for; empty if something else is in the way.
        pending: Vec<String>,
    },
    /// The object's table is in another database.
    #[error(
        "this object's table is {table} in another database than the one that its connectionSecretRef, or the operator's own URL, leads \
         to now, and tables can't be moved, so nothing was changed: let the reference, the Secret or the URL lead to the database of \
         before, or move the table with its comment; or, if a new one is to be made here, forget that one: {forget}"
    )]
    Elsewhere {
        /// The table.
        table: String,
        /// What lets a new one be made.
        forget: Forget,
    },
    /// Several tables could be the one to drop.
    #[error(
        "{}, so nothing was dropped: drop the object's table yourself, or remove the object's line from the \
         comments of the tables to keep",
        ambiguity(.marked, .recorded.as_deref())
    )]
    Ambiguous {
        /// The tables with the object's line in their comments.
        marked: Vec<String>,
        /// The table that the status names, if it exists and lacks the line.
        recorded: Option<String>,
    },
    /// An event trigger removes the line that names the owner.
    #[error(
        "an event trigger of the database replaces the comment of table {table}, which names the table's owner, so \
         nothing was changed: it has to keep the comment's lines"
    )]
    CommentLost {
        /// The table.
        table: String,
    },
    /// Somebody has put a partitioned table in the place of the object's own, or has made it one.
    #[error(
        "table {table} has partitions, which would be dropped with it, so nothing was dropped: drop it yourself, or \
         remove the object's line from its comment"
    )]
    Partitioned {
        /// The table.
        table: String,
    },
    /// Another connection holds the table, for as long as it takes.
    #[error(
        "table {table} is held by another connection of the operator's user, which looks at all of its rows, for NOT NULL or an \
         index, say: it is changed as soon as that is over"
    )]
    Busy {
        /// The table.
        table: String,
    },
    /// The schema isn't there.
    #[error("the database has no schema {schema}: create it, or set spec.createSchema")]
    SchemaMissing {
        /// The schema, quoted.
        schema: String,
    },
    /// The schema isn't there, and would change where the names of others lead.
    #[error(
        "the database has no schema {schema}, and it isn't created although spec.createSchema says so, because a role has this \
         name: what the role doesn't say the schema of would be looked for there from then on (\"$user\" in search_path). \
         Create it yourself if that is meant, or choose another one"
    )]
    SchemaOfRole {
        /// The schema, quoted.
        schema: String,
    },
    /// An index stands in the way of one in the spec.
    #[error(transparent)]
    Index(#[from] IndexConflict),
    /// The spec asks for more than new columns.
    #[error(
        "the update of table {table} is aborted and nothing was changed: {}. Put back what was removed or changed, or, if it \
         is meant, run the statements in status.pending",
        join(.changes)
    )]
    Incompatible {
        /// The table.
        table: String,
        /// All changes that can't be made.
        changes: Vec<IncompatibleChange>,
        /// The statements that would make the table as the spec asks.
        pending: Vec<String>,
    },
    /// The changes take too long, and nobody can use the table meanwhile.
    #[error(
        "the update of table {table} took longer than {seconds} s, for which nobody could use the table, so it was taken back: run \
         the statements in status.pending at a time that suits"
    )]
    TooSlow {
        /// The table.
        table: String,
        /// The limit.
        seconds: u64,
        /// The statements that would make the changes.
        pending: Vec<String>,
    },
    /// Rows stand in the way of a step.
    #[error("{obstacle}. All else of table {table} is as the spec asks up to there. {RETRIED}")]
    Obstructed {
        /// The table.
        table: String,
        /// What is in the way.
        obstacle: Obstacle,
        /// The statements that would do what is left.
        pending: Vec<String>,
    },
    /// Somebody has changed the table since it was as the spec asks.
    #[error("table {table} isn't as the spec asks, because somebody has changed it: {}. {hint}", .difference.in_words())]
    Drifted {
        /// The table.
        table: String,
        /// How it differs from the spec.
        difference: Difference,
        /// What to do.
        hint: DriftHint,
    },
    /// The table isn't the object's any more, after the changes and before a step.
    #[error("table {table} was taken away while its {what} was being made: look at what has become of it")]
    Lost {
        /// The table.
        table: String,
        /// What was being made.
        what: String,
    },
}

impl PlanError {
    /// The statements that would do what is held back.
    pub fn pending(&self) -> &[String] {
        match self {
            Self::Incompatible { pending, .. }
            | Self::TooSlow { pending, .. }
            | Self::Obstructed { pending, .. }
            | Self::Renamed { pending, .. }
            | Self::NotAdopted { pending, .. }
            | Self::LineLost { pending, .. } => pending,
            Self::Disputed { dispute, .. } => std::slice::from_ref(&dispute.decision),
            Self::Drifted { difference, .. } => &difference.statements,
            _ => &[],
        }
    }
}

/// Several objects that claim one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// This object.
    pub owner: Owner,
    /// The uids of the others.
    pub rivals: Vec<String>,
    /// The comment in which this object claims the table, if it hasn't yet.
    pub claim: Option<String>,
    /// The statement by which this object has the table alone.
    pub decision: String,
}

/// A change that would lose or rewrite data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncompatibleChange {
    /// The table has a column that was removed from the spec.
    Removed {
        /// The column.
        column: String,
    },
    /// A column's type differs from the spec.
    TypeChanged {
        /// The column.
        column: Identifier,
        /// The type in the database.
        from: String,
        /// The type in the spec.
        to: String,
    },
    /// A column can't get its type while others are made of it.
    Sources {
        /// The column.
        column: Identifier,
        /// The type in the spec.
        to: String,
        /// The columns that are computed from it, exact.
        computed: Vec<String>,
    },
    /// The values of a column are computed, and a column of the spec can be written.
    Generated {
        /// The column.
        column: Identifier,
        /// How they are computed.
        by: Generated,
    },
    /// A column isn't computed by the expression of the spec.
    Expression {
        /// The column.
        column: Identifier,
        /// The expression in the database; `None` if it isn't computed.
        from: Option<String>,
        /// The expression in the spec.
        to: String,
    },
    /// A column of the table has to become an identity column, or no longer be one.
    Identity {
        /// The column.
        column: Identifier,
        /// Whether it has to become one.
        added: bool,
    },
    /// A column's collation differs from the spec.
    Collation {
        /// The column.
        column: Identifier,
        /// The collation in the database.
        from: String,
        /// The collation in the spec.
        to: String,
    },
    /// A column whose addition, or wider type, goes through all rows, of which there are many.
    Rewrite {
        /// The column.
        column: Identifier,
        /// Why it does.
        cause: Cause,
        /// The size of the rows.
        bytes: i64,
    },
    /// The spec renames a column that never came from it.
    RenamesForeign {
        /// The column's name.
        from: String,
        /// Its name in the spec.
        to: Identifier,
    },
    /// The primary key differs from the spec.
    PrimaryKey {
        /// The key in the database.
        from: Option<Key>,
        /// The key in the spec.
        to: Vec<Identifier>,
    },
}

impl fmt::Display for IncompatibleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { column } => {
                write!(f, "column {} is in the table but not in the spec", quote(column))
            }
            Self::TypeChanged { column, from, to } => {
                write!(f, "column {column} has the type {from}, but {to} in the spec")
            }
            Self::Sources { column, to, computed } => {
                let computed: Vec<_> = computed.iter().map(|name| quote(name)).collect();
                write!(
                    f,
                    "column {column} would become {to}, for which what is generated from it has to be dropped and added again: {}",
                    computed.join(", ")
                )
            }
            Self::Generated { column, by } => {
                write!(
                    f,
                    "column {column} is generated ({by}) and can't be written, but is plain in the spec"
                )
            }
            Self::Expression { column, from: None, to } => {
                write!(f, "column {column} is plain, but generated by {to} in the spec")
            }
            Self::Expression { column, from: Some(from), to } => {
                write!(f, "column {column} is generated by {from}, but by {to} in the spec")
            }
            Self::Identity { column, added: true } => {
                write!(f, "column {column} isn't an identity column, but it is in the spec")
            }
            Self::Identity { column, added: false } => {
                write!(f, "column {column} is an identity column, but not in the spec")
            }
            Self::Collation { column, from, to } => {
                write!(f, "column {column} has the collation {from}, but {to} in the spec")
            }
            Self::Rewrite { column, cause, bytes } => write!(
                f,
                "column {column} {cause}, and nobody could read the table while its {} MiB are {}",
                bytes >> 20,
                if matches!(cause, Cause::OwnValues | Cause::Domain) {
                    "written again"
                } else {
                    "gone through"
                }
            ),
            Self::RenamesForeign { from, to } => {
                write!(f, "column {} was never in the spec, so it isn't renamed to {to}", quote(from))
            }
            Self::PrimaryKey { from, to } => {
                let from = from.as_ref().map_or_else(|| ABSENT.to_owned(), Key::to_string);
                let names: Vec<_> = to.iter().map(Identifier::to_string).collect();
                let to = if to.is_empty() { ABSENT.to_owned() } else { format!("({})", names.join(", ")) };
                write!(f, "the primary key is {from}, but {to} in the spec")
            }
        }
    }
}

fn why_lost(differences: &[String]) -> String {
    if differences.is_empty() {
        return "driftPolicy is Report: set it to Repair, or adoptionPolicy to IfCompatible".to_owned();
    }
    format!(
        "the table isn't as the spec asks, so it may be another one: {}. If it is this object's, let both agree: change the spec, or \
         run the statements in status.pending",
        join(differences)
    )
}

/// What to do with another object's table that should be this one's.
fn way_to_own(owner: &Owner, foreign: bool) -> String {
    if foreign {
        format!(
            ", or, if this cluster has replaced that one, run the operator with --cluster-id={:?}",
            owner.cluster
        )
    } else {
        ", or, if that object is gone, remove its line from the table's comment".to_owned()
    }
}

fn ambiguity(marked: &[String], recorded: Option<&str>) -> String {
    let marked = marked.join(", ");
    match recorded {
        Some(recorded) => format!(
            "the status names {recorded} as the object's table, but the object's line is in the comment of \
             {marked}"
        ),
        None => format!("the object's line is in the comments of several tables: {marked}"),
    }
}

/// The most changes that a message names, and the most characters that it has of each: it stands in three conditions, and an
/// object has to fit into etcd.
const MOST_NAMED: usize = 20;
const MOST_CHARS: usize = 400;

pub(super) fn join<T: ToString>(changes: &[T]) -> String {
    let named = changes.iter().take(MOST_NAMED).map(|change| shortened(change.to_string()));
    let rest = changes.len().saturating_sub(MOST_NAMED);
    named.chain((rest > 0).then(|| format!("and {rest} more"))).collect::<Vec<_>>().join("; ")
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_some_changes_and_how_many_more_there_are() {
        assert_eq!(join(&["a", "b"]), "a; b");
        let long = "ü".repeat(400);
        assert_eq!(join(&[long.clone(), long.clone() + "x"]), format!("{long}; {long}…"));
        let many: Vec<_> = (0..25).collect();
        let text = join(&many);
        assert!(text.starts_with("0; 1; ") && text.ends_with("; 19; and 5 more"), "{text}");
        assert!(join(&vec!["x".repeat(8000); 1600]).len() < 10_000);
    }
}
