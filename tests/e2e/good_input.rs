//! Names that are a trial for whoever quotes them wrong.

use crate::stage::{Cluster, Stage, eventually};
use serde_json::json;

/// What stands in the spec, and the name that PostgreSQL has then: for a table, and for a column in it.
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
    ("Таблица", "Таблица"), // the server folds ASCII alone
    ("Straße", "straße"),
    ("表", "表"),
    ("جدول", "جدول"),
    ("📦", "📦"),
    (
        "a23456789_123456789_123456789_123456789_123456789_123456789_123",
        "a23456789_123456789_123456789_123456789_123456789_123456789_123",
    ),
];

/// All objects at once; each table has a column of its own name, and `more`.
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

/// Each column of the database as `table|column`.
async fn all_columns(stage: &Stage<'_>) -> Vec<String> {
    stage.query("SELECT table_name || '|' || column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1").await
}

async fn every_name_works(stage: &Stage<'_>) {
    let operator = stage.operator().start();
    stage.apply(&manifests(&[]));
    let mut expected = Vec::new();
    for (number, (name, exact)) in NAMES.iter().enumerate() {
        let object = stage.until_ready(&format!("name-{number}")).await;
        let (table, columns) = (object["status"]["table"].as_str().unwrap(), &object["status"]["columns"]);
        assert_eq!(columns[0]["name"], *exact, "{name}");
        stage.sql(&format!("SELECT * FROM {table}")).await;
        expected.push(format!("{exact}|{exact}"));
    }
    expected.sort();
    assert_eq!(all_columns(stage).await, expected);

    stage.apply(&manifests(&["\"One More\""]));
    expected.extend(NAMES.map(|(_, exact)| format!("{exact}|One More")));
    expected.sort();
    eventually("each has a column more", async || all_columns(stage).await, |found| *found == expected).await;

    for number in 0..NAMES.len() {
        stage.delete(&format!("name-{number}")).await;
    }
    for number in 0..NAMES.len() {
        stage.until_gone(&format!("name-{number}")).await;
    }
    assert_eq!(stage.all_tables().await, [""; 0]);
    assert_eq!(operator.count("[ERROR") + operator.count("[WARNING"), 0);
}

#[tokio::test]
async fn tables_and_columns_have_exactly_the_names_that_are_asked_for() {
    every_name_works(&Stage::new("names").await).await;
}

#[tokio::test]
async fn the_full_crd_takes_every_name_that_the_operator_takes() {
    every_name_works(&Stage::on(Cluster::with_the_full_crd().await, "names-in-full").await).await;
}
