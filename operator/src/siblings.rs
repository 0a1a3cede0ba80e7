//! Siblings: the tables that the statuses of objects name, by their databases.
//!
//! One table that is missing was dropped by somebody. Where most of a database's tables are, it is another one, or is being restored.

use crate::{
    api::{ApiError, Objects},
    crd::DatabaseTable,
    marker::Owner,
};
use korf::{Index, extract::Body};
use std::collections::BTreeSet;

/// The most tables that the database is asked about at a time.
const MOST: usize = 500;

/// The number of a database in statuses; none in earlier ones, if it is the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseNumber(pub Option<String>);

/// A table that a status names, as PostgreSQL prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTable(pub String);

/// The tables of all objects that aren't being deleted.
pub type Tables = Index<DatabaseNumber, RecordedTable>;

#[korf::index(DatabaseTable)]
fn tables_by_database(object: Body) -> Option<(DatabaseNumber, RecordedTable)> {
    let object = object.value();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let is_deleted = object["metadata"]["deletionTimestamp"].is_string();
    let table = text(&object["status"]["table"]).filter(|_| !is_deleted)?;
    Some((DatabaseNumber(text(&object["status"]["database"])), RecordedTable(table)))
}

/// The tables in a database but for this one; of many, some from all over.
pub fn some_of(tables: &Tables, database: &DatabaseNumber, but: Option<&str>) -> Vec<String> {
    let all = tables.get(database);
    // Copies of objects name the same tables.
    let all: BTreeSet<&str> = all.iter().map(|table| &*table.0).collect();
    let every = all.len().div_ceil(MOST).max(1);
    let others = all.into_iter().filter(|table| Some(*table) != but);
    others.step_by(every).map(str::to_owned).collect()
}

/// Objects of which it is known, too, which tables are beside that of one of them.
pub fn beside<'a>(
    objects: impl Objects + 'a,
    tables: impl Fn() -> Vec<String> + Sync + 'a,
) -> impl Objects + 'a {
    Beside(objects, tables)
}

struct Beside<O, F>(O, F);

impl<O: Objects, F: Fn() -> Vec<String> + Sync> Objects for Beside<O, F> {
    fn exists(&self, owner: &Owner) -> impl Future<Output = Result<bool, ApiError>> + Send {
        self.0.exists(owner)
    }

    fn tables_beside(&self) -> Vec<String> {
        self.1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_tables_some_from_all_over_are_asked_about_and_never_the_object_s_own() {
        let (here, elsewhere) = (DatabaseNumber(Some("1".to_owned())), DatabaseNumber(None));
        for (count, own, asked) in
            [(0, "t0", 0), (1, "t0", 0), (1, "other", 1), (500, "t7", 499), (1200, "t0", 400)]
        {
            let table = |number: usize| (here.clone(), RecordedTable(format!("t{number}")));
            // Each of two objects.
            let tables: Tables = (0..count).chain(0..count).map(table).collect();
            let some = some_of(&tables, &here, Some(own));
            assert_eq!(some.len(), asked, "{count} {own}");
            assert!(!some.contains(&own.to_owned()));
            assert_eq!(some_of(&tables, &elsewhere, None), [""; 0]);
        }
    }
}
