//! Words for what differs between a table and its spec; pure.

use super::{Change, Compared, Step};
use crate::{
    catalog::CatalogIndex,
    ddl::successor_name,
    identifier::{Identifier, quote},
    spec::Index,
};

/// What a change would put right, as a difference.
pub(super) fn missing(change: &Change) -> Option<String> {
    let of = |what: &str, column: &Identifier| format!("{what} of column {column}");
    Some(match change {
        Change::CancelBuild(_) | Change::CancelValidation(_) | Change::CreateIndex(_) => return None,
        Change::CreateSchema => "its schema is missing".to_owned(),
        Change::CreateTable => "it is missing".to_owned(),
        Change::AddColumn(column) => format!("column {} is missing", column.name),
        Change::Rename { from, to } => format!("column {to} is called {}", quote(from)),
        Change::RenameIndex { from, to } => format!("index {} is called {}", quote(to), quote(from)),
        Change::RenameConstraint { from, to } => {
            format!("constraint {} is called {}", quote(to), quote(from))
        }
        Change::Widen { column, type_, .. } => format!("{} isn't {type_}", of("the type", column)),
        Change::WidenSequence { column, type_, .. } => {
            format!("{} isn't {type_}", of("the type of the sequence", column))
        }
        Change::SetDefault { column, default } => format!("{} isn't {default}", of("the default", column)),
        Change::DropDefault { column } => format!("column {column} has a default"),
        Change::DropNotNull { column } => format!("column {column} is NOT NULL"),
        Change::SetIdentity { column, identity } => {
            format!("{} isn't {identity}", of("the identity", column))
        }
        Change::DropConstraint { name, column } => {
            format!("column {column} has the constraint {}", quote(name))
        }
        Change::Comment { column, .. } => format!("{} isn't that of the spec", of("the comment", column)),
    })
}

/// What a step would put right, as a difference.
pub(super) fn left(compared: &Compared<'_>, step: &Step) -> String {
    if let Some(words) = replaced(compared, &step.what) {
        return words;
    }
    match step.what.strip_prefix("the drop of ") {
        Some(what) => format!("{what} is left over"),
        // Of one that is to be UNIQUE, it goes before another one is built.
        None if step.what.starts_with("index ") && step.what.contains(" of column ") => {
            format!("{} is left over", step.what)
        }
        None => format!("{} is missing", step.what),
    }
}

/// What is said of an index that is there and isn't as the spec asks, for each of the steps that replace it.
fn replaced(compared: &Compared<'_>, what: &str) -> Option<String> {
    let name_in_step = what.strip_prefix("the drop of ").unwrap_or(what).strip_prefix("index ")?;
    let is_about = |wanted: &&Index| {
        let names = [wanted.name.to_string(), quote(&successor_name(wanted.name.as_str()))];
        names.iter().any(|name| {
            name_in_step
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
        })
    };
    let wanted = compared.wanted.indexes.iter().find(is_about)?;
    let here = compared.found.indexes.present.iter().find(|index| index.name == wanted.name.as_str())?;
    if !here.is_as(wanted) {
        return Some(format!("index {} is {}, not {}", wanted.name, described(here), asked(wanted)));
    }
    (!here.is_valid).then(|| format!("index {} isn't valid", wanted.name))
}

fn described(index: &CatalogIndex) -> String {
    let kind = kind_of(index.unique, &index.method);
    if index.columns.is_empty() {
        return format!("{kind} of expressions");
    }
    let columns: Vec<_> = index.columns.iter().map(|column| quote(column)).collect();
    let more = if index.is_plain { "" } else { " with a condition, an order or operators of its own" };
    format!("{kind} of ({}){more}", columns.join(", "))
}

fn asked(index: &Index) -> String {
    format!("{} of ({})", kind_of(index.unique, index.method.as_str()), index.column_list())
}

fn kind_of(unique: bool, method: &str) -> String {
    format!("a {}{method} index", if unique { "unique " } else { "" })
}
