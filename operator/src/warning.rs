//! Warnings about a table that is as the spec asks, and yet isn't all that its author may expect; pure.

use crate::{
    catalog::{Generated, KeyForm, Publication},
    column_type::ColumnType,
    identifier::{Identifier, quote},
    plan::{Found, ResolvedTable},
    spec::{Table, Values},
    types::ResolvedType,
};
use std::fmt;

/// Something that the author of a spec may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The server keeps less of a type than the text asks for.
    Cut {
        /// The column.
        column: Identifier,
        /// The type as the spec has it.
        asked: ColumnType,
        /// The type as PostgreSQL prints it.
        kept: String,
        /// What is lost.
        lost: Lost,
    },
    /// Rows can't be updated or deleted, because replication can't tell them apart.
    Unidentified {
        /// The table, as PostgreSQL prints it.
        table: String,
        /// The publications that have it.
        publications: Vec<Publication>,
    },
    /// The primary key is deferrable.
    Deferrable,
    /// An INSERT that gives a value for the column fails.
    Identity {
        /// The column.
        column: Identifier,
    },
}

/// What the server ignores of the text of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// Digits of seconds, beyond six.
    Digits,
    /// The size of an array.
    ArraySize,
    /// Dimensions of an array, beyond the first.
    Dimensions,
    /// The bytes of a name, beyond 63.
    Name,
}

/// The warnings about a table that is, or will be, as `wanted`.
pub fn warnings(asked: &Table, wanted: &ResolvedTable, found: &Found) -> Vec<Warning> {
    let columns = asked.columns.iter().zip(&wanted.columns);
    let mut warnings: Vec<_> = columns
        .flat_map(|(asked, column)| {
            lost(&asked.type_, &column.type_).map(|lost| Warning::Cut {
                column: column.name.clone(),
                asked: asked.type_.clone(),
                kept: column.type_.name.clone(),
                lost,
            })
        })
        .collect();
    let columns = found.here.iter().flat_map(|relation| &relation.columns);
    let identities = columns.filter(|column| column.generated == Generated::Identity);
    warnings.extend(identities.filter_map(|found| {
        let column = wanted.columns.iter().find(|column| column.name.as_str() == found.name)?;
        // Where the spec asks for it, nobody is surprised.
        let is_plain = column.settings.values == Values::Written;
        is_plain.then(|| Warning::Identity { column: column.name.clone() })
    }));
    let key = found.here.as_ref().and_then(|relation| relation.key.as_ref());
    if key.is_some_and(|key| key.form == KeyForm::Deferrable) {
        warnings.push(Warning::Deferrable);
    }
    if !found.publications.is_empty() {
        let (table, publications) = (wanted.place.qualified.clone(), found.publications.clone());
        warnings.push(Warning::Unidentified { table, publications });
    }
    warnings
}

fn lost(text: &ColumnType, type_: &ResolvedType) -> impl Iterator<Item = Lost> {
    let digits =
        type_.id.has_full_precision() && text.digits().is_some_and(|digits| digits.parse::<u32>() != Ok(6));
    [
        (digits, Lost::Digits),
        (text.has_array_size(), Lost::ArraySize),
        (text.has_dimensions(), Lost::Dimensions),
        (text.has_long_name(), Lost::Name),
    ]
    .into_iter()
    .filter_map(|(is_lost, lost)| is_lost.then_some(lost))
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { column, asked, kept, lost } => {
                let why = match lost {
                    Lost::Digits => "PostgreSQL keeps at most 6 digits of a second",
                    Lost::ArraySize => "PostgreSQL ignores the size of an array",
                    Lost::Dimensions => "PostgreSQL ignores how many dimensions an array has",
                    Lost::Name => "PostgreSQL cuts names after 63 bytes",
                };
                write!(f, "column {column}: the type {:?} became {kept}, because {why}", asked.as_str())
            }
            Self::Unidentified { table, publications } => unidentified(f, table, publications),
            Self::Deferrable => {
                f.write_str("the primary key is DEFERRABLE, so ON CONFLICT and foreign keys can't use it")
            }
            Self::Identity { column } => write!(
                f,
                "column {column} is GENERATED ALWAYS AS IDENTITY, so an INSERT that gives it a value fails"
            ),
        }
    }
}

fn unidentified(f: &mut fmt::Formatter<'_>, table: &str, publications: &[Publication]) -> fmt::Result {
    let any = |sends: fn(&Publication) -> bool| publications.iter().any(sends);
    let fails = match (any(|publication| publication.updates), any(|publication| publication.deletes)) {
        (true, true) => "UPDATE and DELETE",
        (true, false) => "UPDATE",
        (false, _) => "DELETE",
    };
    let names: Vec<_> = publications.iter().map(|publication| quote(&publication.name)).collect();
    let (noun, names) = (if names.len() == 1 { "publication" } else { "publications" }, names.join(", "));
    write!(
        f,
        "{fails} will fail, because {noun} {names} would send the rows and nothing tells them apart: run ALTER TABLE \
         {table} REPLICA IDENTITY FULL, or delete this object and create one with a primaryKey"
    )
}

#[cfg(test)]
mod tests;
