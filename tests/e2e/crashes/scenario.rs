//! Scenarios in which an operator is killed at each of its calls: what is there, and what is done to an object.

use crate::fixture::Fixture;
use kube::api::PostParams;
use serde_json::{Value, json};

/// The name of the object, and of its table.
pub const NAME: &str = "site";

/// What is there, and what is done.
pub struct Scenario {
    /// What the owner of the database does before.
    pub given: &'static str,
    /// The spec that is applied before.
    pub before: Option<Value>,
    /// What the owner of the database does to the table then.
    pub rows: &'static str,
    /// What is done while no operator runs. The next one is killed, and the one after it completes the work.
    pub act: Act,
}

/// What is done to the object.
pub enum Act {
    Create(Value),
    Update(Value),
    Delete,
}

impl Act {
    pub async fn run(&self, fixture: &Fixture<'_>) {
        match self {
            Self::Create(object) => create(fixture, object.clone()).await,
            // All that differs is in the new spec: no field is removed.
            Self::Update(spec) => drop(fixture.patch(NAME, json!({ "spec": spec })).await),
            Self::Delete => fixture.delete(NAME).await,
        }
    }
}

/// Creates the object: its spec, and what else it has.
pub async fn create(fixture: &Fixture<'_>, mut object: Value) {
    object["apiVersion"] = "kopf.demo/v1".into();
    object["kind"] = "DatabaseTable".into();
    object["metadata"]["name"] = NAME.into();
    fixture.tables().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// Rows for tables that are changed. Each has a value in each column.
const ROWS: &str = "INSERT INTO site SELECT n, 'user ' || n, n % 7 FROM generate_series(1, 100) n";

fn old_columns() -> Value {
    json!([{ "ID": "integer" }, { "NICK": "varchar(50)" }, { "PLACE": "integer" }])
}

/// A table in a schema that isn't there, with all that is made with a table.
pub fn creation() -> Scenario {
    let spec = json!({
        "tableName": NAME, "schema": "shop", "createSchema": true, "primaryKey": "ID",
        "columns": [
            { "ID": { "type": "integer", "identity": "Always" } },
            { "NICK": { "type": "varchar(50)", "nullable": false, "unique": true, "comment": "As on the badge" } },
            { "STATE": { "type": "text", "default": "'new'" } },
        ],
        "indexes": [{ "name": "by_state", "columns": ["STATE", "NICK"] }],
    });
    let given = "DROP SCHEMA IF EXISTS shop CASCADE";
    Scenario { given, before: None, rows: "", act: Act::Create(json!({ "spec": spec })) }
}

/// All that an update does in its transaction, and in steps behind it.
pub fn update() -> Scenario {
    let columns = json!([
        { "ID": "integer" },
        { "NICK": { "type": "varchar(80)", "nullable": false, "unique": true } },
        { "POSITION": { "type": "integer", "renamedFrom": "PLACE", "nullable": false } },
        { "STATE": { "type": "text", "nullable": false, "default": "'new'" } },
    ]);
    let before = json!({ "tableName": NAME, "columns": old_columns(), "primaryKey": "ID" });
    let after =
        json!({ "columns": columns, "indexes": [{ "name": "by_state", "columns": ["STATE", "ID"] }] });
    Scenario { given: "", before: Some(before), rows: ROWS, act: Act::Update(after) }
}

/// An index that comes, one that goes, and one that becomes another.
pub fn index_build() -> Scenario {
    let index = |name: &str, columns: &[&str], unique: bool| json!({ "name": name, "columns": columns, "unique": unique });
    let before = json!({
        "tableName": NAME, "columns": old_columns(), "primaryKey": "ID",
        "indexes": [index("goes", &["PLACE"], false), index("changes", &["NICK"], false)],
    });
    let indexes = [index("comes", &["NICK", "PLACE"], true), index("changes", &["NICK"], true)];
    Scenario { given: "", before: Some(before), rows: ROWS, act: Act::Update(json!({ "indexes": indexes })) }
}

/// A table that has lost its primary key gets it back, with a column.
pub fn repair() -> Scenario {
    let before = json!({ "tableName": NAME, "columns": old_columns(), "primaryKey": ["ID", "PLACE"] });
    let mut columns = old_columns();
    columns.as_array_mut().unwrap().push(json!({ "STATE": "text" }));
    let rows = "INSERT INTO site SELECT n, 'user ' || n, n % 7 FROM generate_series(1, 100) n; \
                ALTER TABLE site DROP CONSTRAINT site_pkey; \
                ALTER TABLE site ALTER id DROP NOT NULL, ALTER place DROP NOT NULL";
    Scenario { given: "", before: Some(before), rows, act: Act::Update(json!({ "columns": columns })) }
}

pub fn deletion() -> Scenario {
    let before = json!({
        "tableName": NAME, "columns": old_columns(), "primaryKey": "ID",
        "indexes": [{ "name": "by_place", "columns": ["PLACE"] }],
    });
    Scenario { given: "", before: Some(before), rows: ROWS, act: Act::Delete }
}

pub fn retention() -> Scenario {
    let mut retained = deletion();
    retained.before.as_mut().unwrap()["deletionPolicy"] = "Retain".into();
    retained
}

/// An object of the Kopf demo, with a change of its spec.
pub fn hand_over() -> Scenario {
    let spec = |columns: Value| json!({ "tableName": NAME, "columns": columns, "primaryKey": "ID" });
    let handled = format!("{}\n", json!({ "spec": spec(old_columns()) }));
    let mut columns = old_columns();
    columns.as_array_mut().unwrap().push(json!({ "STATE": "text" }));
    let metadata = json!({
        "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"],
        "annotations": { "kopf.zalando.org/last-handled-configuration": handled },
    });
    let given = "CREATE TABLE site (id integer PRIMARY KEY, nick varchar(50), place integer); \
                 INSERT INTO site SELECT n, 'user ' || n, n % 7 FROM generate_series(1, 100) n";
    Scenario {
        given,
        before: None,
        rows: "",
        act: Act::Create(json!({ "metadata": metadata, "spec": spec(columns) })),
    }
}

/// A table that is there already.
pub fn adoption() -> Scenario {
    let spec = json!({
        "tableName": NAME, "columns": old_columns(), "primaryKey": "ID", "adoptionPolicy": "IfCompatible",
    });
    Scenario { act: Act::Create(json!({ "spec": spec })), ..hand_over() }
}
