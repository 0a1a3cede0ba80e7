//! Printing of a plan, as SQL with comments.

use crate::{
    database::Preview,
    error::TableError,
    marker::Owner,
    message::printable,
    spec::{DeletionPolicy, SecretRef},
    status::ConditionReason,
};
use std::fmt;

/// What is printed of one object.
pub struct Part {
    pub owner: Owner,
    pub warnings: Vec<String>,
    pub secret: Option<SecretRef>,
    /// Why the object in the cluster wasn't read, if it wasn't.
    pub unread: Option<String>,
    pub planned: Result<Preview, TableError>,
}

/// A comment of SQL. Names and messages may have ends of lines; what follows one would be a statement.
pub struct Note(pub String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-- {}", printable(&self.0))
    }
}

/// Prints statements as comments, each line of them as one.
fn hold_back(f: &mut fmt::Formatter<'_>, statements: &[String]) -> fmt::Result {
    let text = statements.iter().map(|statement| format!("held back: {statement};\n")).collect::<String>();
    text.lines().try_for_each(|line| writeln!(f, "{}", Note(line.to_owned())))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", Note(format!("DatabaseTable {}", self.owner)))?;
        for warning in &self.warnings {
            writeln!(f, "{}", Note(format!("WARNING: {warning}")))?;
        }
        if let Some(secret) = &self.secret {
            let text = format!(
                "WARNING: its database is that of the Secret {}, which isn't read: what follows is true if --database-url leads \
                 there, as the same user",
                secret.name
            );
            writeln!(f, "{}", Note(text))?;
        }
        match &self.planned {
            Ok(preview) => preview.fmt(f),
            Err(error) => {
                writeln!(f, "{}", Note(format!("{}: {error}", error.reason())))?;
                if let Some(why) =
                    self.unread.as_ref().filter(|_| error.reason() == ConditionReason::Conflict)
                {
                    let text = format!(
                        "WARNING: the object in the cluster wasn't read ({why}): if the Kopf demo's operator has handled it, a table \
                         that is as that one has made it is taken over"
                    );
                    writeln!(f, "{}", Note(text))?;
                }
                hold_back(f, error.pending())
            }
        }
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "{}", Note(format!("WARNING: {warning}")))?;
        }
        for column in &self.without_value {
            let text = format!(
                "ERROR: column {column} is NOT NULL and has no default, and table {} has rows: give it a default, or nullable: \
                 true until all rows have a value",
                self.table
            );
            writeln!(f, "{}", Note(text))?;
        }
        if let Some(policy) = self.adoption {
            let end = match policy {
                DeletionPolicy::Delete => {
                    "is dropped with it, with all rows, unless deletionPolicy is Retain"
                }
                DeletionPolicy::Retain => "stays when that is deleted (deletionPolicy: Retain)",
            };
            let text =
                format!("table {} is taken over: from then on it is the object's, and {end}", self.table);
            writeln!(f, "{}", Note(text))?;
        } else if self.count() == 0 {
            return writeln!(f, "{}", Note(format!("table {} is as the spec asks", self.table)));
        }
        self.statements.iter().try_for_each(|statement| writeln!(f, "{statement};"))?;
        for (what, statements) in &self.steps {
            writeln!(f, "{}", Note(format!("then, by itself: {what}")))?;
            statements.iter().try_for_each(|statement| writeln!(f, "{statement};"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identifier::Identifier, plan::PlanError};

    #[test]
    fn what_somebody_else_has_named_stays_in_a_comment() {
        let evil = "x\n; DROP TABLE t; --\r\\! id\u{85}";
        let owner =
            Owner { cluster: evil.into(), namespace: evil.into(), name: evil.into(), uid: evil.into() };
        let secret = SecretRef { name: evil.into(), namespace: None, key: None };
        let preview = Preview {
            table: evil.into(),
            adoption: None,
            statements: Vec::new(),
            steps: vec![(evil.into(), Vec::new())],
            warnings: Vec::new(),
            without_value: vec![Identifier::parse("\"a\nb\"").unwrap()],
        };
        let adopted = Preview { adoption: Some(DeletionPolicy::Delete), ..preview.clone() };
        let refused =
            PlanError::NotAdopted { table: evil.into(), differences: vec![evil.into()], pending: Vec::new() };
        let held_back = PlanError::Incompatible {
            table: evil.into(),
            changes: Vec::new(),
            pending: vec![format!("ALTER TABLE \"{evil}\"\n  ADD b integer")],
        };
        for planned in [Ok(preview), Ok(adopted), Err(refused.into()), Err(held_back.into())] {
            let part = Part {
                owner: owner.clone(),
                warnings: vec![evil.into()],
                secret: Some(secret.clone()),
                unread: Some(evil.into()),
                planned,
            };
            let text = part.to_string();
            let is_comment = |line: &str| line.is_empty() || line.starts_with("-- ");
            assert!(text.split(['\n', '\r', '\u{85}']).all(is_comment), "{text}");
        }
    }
}
