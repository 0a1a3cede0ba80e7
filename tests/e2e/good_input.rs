//! Valid names that break wherever quoting is wrong.

use crate::fixture::{Cluster, Fixture, eventually};
use serde_json::json;

/// Names in the spec, each with the name in PostgreSQL that it stands for. Each is used for a table and a
/// column in it.
const NAMES: [(&str, &str); 24] = [
    ("user", "user"),
    ("SELECT", "select"),
    ("Table", "table"),
    ("null", "null"),
    ("Website_Users", "website_users"),
    ("\"Capitals\"", "Capitals"),
    ("\"two words\"", "two words"),
    ("\"say \"\"hi\"\"\"", "say \"hi\""),
    ("\"\"\"\"", "\""),
    ("\"a.b\"", "a.b"),
    ("\"; DROP TABLE x; --\"", "; DROP TABLE x; --"),
    ("o'brien", "o'brien"),
    ("back\\slash", "back\\slash"),
    ("100%", "100%"),
    ("$1", "$1"),
    ("user-id", "user-id"),
    ("1st", "1st"),
    ("таблица", "таблица"),
    ("Таблица", "Таблица"), // the server folds only ASCII
    ("Straße", "straße"),
    ("表", "表"),
    ("جدول", "جدول"),
    ("📦", "📦"),
    (
        "a23456789_123456789_123456789_123456789_123456789_123456789_123",
        "a23456789_123456789_123456789_123456789_123456789_123456789_123",
    ),
];

/// The manifests of all objects. Each table has a column of its own name, and the columns `more`.
fn manifests(more: &[&str]) -> String {
    let objects = NAMES.iter().enumerate().map(|(number, (name, _))| {
        let columns: Vec<_> = [name].into_iter().chain(more).map(|name| json!({ *name: "text" })).collect();
        json!({
            "apiVersion": "kopf.demo/v1",
            "kind": "DatabaseTable",
            "metadata": { "name": format!("name-{number}") },
            "spec": { "tableName": name, "columns": columns, "primaryKey": name },
        })
    });
    objects.map(|object| object.to_string()).collect::<Vec<_>>().join("\n")
}

/// All columns in the database, each as `table|column`.
async fn all_columns(fixture: &Fixture<'_>) -> Vec<String> {
    fixture.query("SELECT table_name || '|' || column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1").await
}

async fn every_name_works(fixture: &Fixture<'_>) {
    let operator = fixture.operator().start();
    fixture.apply(&manifests(&[]));
    let mut expected = Vec::new();
    for (number, (name, exact)) in NAMES.iter().enumerate() {
        let object = fixture.until_ready(&format!("name-{number}")).await;
        let (table, columns) = (object["status"]["table"].as_str().unwrap(), &object["status"]["columns"]);
        assert_eq!(columns[0]["name"], *exact, "{name}");
        fixture.sql(&format!("SELECT * FROM {table}")).await;
        expected.push(format!("{exact}|{exact}"));
    }
    expected.sort();
    assert_eq!(all_columns(fixture).await, expected);

    fixture.apply(&manifests(&["\"One More\""]));
    expected.extend(NAMES.map(|(_, exact)| format!("{exact}|One More")));
    expected.sort();
    eventually(
        "each table has another column",
        async || all_columns(fixture).await,
        |found| *found == expected,
    )
    .await;

    for number in 0..NAMES.len() {
        fixture.delete(&format!("name-{number}")).await;
    }
    for number in 0..NAMES.len() {
        fixture.until_gone(&format!("name-{number}")).await;
    }
    assert_eq!(fixture.all_tables().await, [""; 0]);
    assert_eq!(operator.count_lines("[ERROR") + operator.count_lines("[WARNING"), 0);
}

#[tokio::test]
async fn tables_and_columns_get_exactly_the_names_in_the_spec() {
    every_name_works(&Fixture::new("names").await).await;
}

#[tokio::test]
async fn the_full_crd_accepts_every_name_that_the_operator_accepts() {
    every_name_works(&Fixture::on(Cluster::with_full_crd().await, "names-in-full").await).await;
}
