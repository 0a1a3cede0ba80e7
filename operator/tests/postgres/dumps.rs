//! Databases that are restored from a dump (`pg_dump`, `pg_restore`): everything is made again, with other numbers.

use crate::support::{
    Existing, World, claim, client_program, columns, dropped, owner, server, skip, spec, table,
};
use database_table_operator::{
    marker::Owner,
    outcome::{Adoption, Outcome},
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// A table with everything that a spec can say.
fn full() -> Value {
    json!({
        "tableName": "t",
        "columns": [
            {"a": {"type": "bigint", "identity": "ByDefault"}},
            {"b": {"type": "text", "nullable": false, "default": "'none'", "comment": "What it is."}},
            {"c": {"type": "varchar(9)", "unique": true, "collation": "C"}},
            {"d": {"type": "text", "generated": "upper(b)"}},
        ],
        "primaryKey": "a",
        "indexes": [{"name": "by_b", "columns": ["b", "c"]}],
    })
}

fn with_column(mut spec: Value, name: &str) -> Value {
    spec["columns"].as_array_mut().unwrap().push(json!({name: "integer"}));
    spec
}

/// A dump, which is removed with this.
struct Dump(PathBuf);

impl Dump {
    /// A dump of a database; `None`, with a word why, if there is no program that makes one.
    async fn of(world: &World, options: &[&str]) -> Option<Self> {
        let newest = world.version().await;
        let found = client_program("pg_dump").await.filter(|(_, version)| *version >= newest);
        let Some((mut program, _)) = found else {
            skip(&format!("there is no pg_dump for PostgreSQL {newest}"));
            return None;
        };
        let name = &world.database.name;
        let file = std::env::temp_dir().join(format!("korf-dump-{name}-{}", std::process::id()));
        program.args(["--format=custom", "--file"]).arg(&file).args(options).arg(name);
        let output = program.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(Self(file))
    }

    /// Returns whether nothing stood in its way.
    async fn restore(&self, database: &str, options: &[&str]) -> bool {
        let (mut program, _) = client_program("pg_restore").await.unwrap();
        program.args(["--dbname", database]).args(options).arg(&self.0);
        tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap().status.success()
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl World {
    /// The world as it goes on in a new database, into which its dump is restored.
    async fn restored(&self, dump: &Dump) -> Self {
        let mut database =
            server().await.create_database(&format!("{}_again", self.database.name)).await.unwrap();
        assert!(dump.restore(&database.name, &[]).await);
        // The tables are the role's that made them, and the database is to be.
        let [name, user] = [&database.name, &self.database.user].map(|name| name.replace('"', "\"\""));
        self.run_as_superuser(&format!("ALTER DATABASE \"{name}\" OWNER TO \"{user}\"")).await;
        (database.user, database.password) = (self.database.user.clone(), self.database.password.clone());
        let world = Self::of(database).await;
        world.claim.lock().unwrap().clone_from(&self.claim.lock().unwrap());
        world
    }

    async fn count(&self, table: &str) -> i64 {
        self.sql.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
    }

    async fn owner_of(&self, table: &str) -> Option<Owner> {
        let comment = format!("SELECT obj_description('{table}'::regclass, 'pg_class')");
        let comment: Option<String> = self.sql.query_one(&comment, &[]).await.unwrap().get(0);
        Owner::from_comment(&comment?)
    }
}

#[tokio::test]
async fn tables_of_a_dump_are_the_objects_they_were() {
    let world = World::new("dumped").await;
    world.apply(&full()).await.unwrap();
    world.run("INSERT INTO t (c) SELECT n::text FROM generate_series(1, 100) n; ALTER TABLE t ADD COLUMN own text").await;
    let Some(dump) = Dump::of(&world, &[]).await else { return };
    let restored = world.restored(&dump).await;
    let before = restored.snapshot().await;
    assert_eq!(restored.apply(&full()).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(restored.snapshot().await, before);
    let outcome = restored.apply(&with_column(full(), "e")).await.unwrap().outcome;
    assert_eq!(outcome, Outcome::ColumnsAdded(vec!["e".into()]));
    assert_eq!(restored.count("t").await, 100);
    assert_eq!(restored.drop().await.unwrap(), dropped("public.t"));
    assert_eq!(world.count("t").await, 100);
}

#[tokio::test]
async fn tables_of_a_dump_without_comments_are_the_objects_by_its_status_or_nobodys() {
    let world = World::new("uncommented").await;
    world.apply(&full()).await.unwrap();
    world.run("INSERT INTO t (c) VALUES ('1')").await;
    let Some(dump) = Dump::of(&world, &["--no-comments"]).await else { return };
    let restored = world.restored(&dump).await;
    let known = restored.claim.lock().unwrap().clone();
    restored.lose_the_status();
    let error = restored.rejected(&full()).await;
    assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
    assert!(error.to_string().contains("IfCompatible"), "{error}");
    // Unless it has one that was written for it: then the comments of its columns come again, too.
    let applied = restored.tables.apply(&Existing("1-2-3"), &known, &table(&full())).await.unwrap();
    assert_eq!(applied.adoption, Some(Adoption::LineLost));
    assert_eq!(applied.outcome, Outcome::Changed(vec!["comment of column \"b\"".into()]));
    assert_eq!(restored.apply(&full()).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(restored.count("t").await, 1);
}

#[tokio::test]
async fn what_an_older_dump_lacks_is_made_again() {
    let world = World::new("older_dump").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    let Some(dump) = Dump::of(&world, &[]).await else { return };
    let mut newer = spec("t", &[("a", "bigint"), ("b", "text")]);
    newer["columns"][0] = json!({"a": {"type": "integer", "nullable": false, "comment": "The number."}});
    newer["indexes"] = json!([{"name": "by_b", "columns": ["b"]}]);
    world.apply(&newer).await.unwrap();
    let restored = world.restored(&dump).await;
    let outcome = restored.apply(&newer).await.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Changed(_)), "{outcome:?}");
    assert_eq!(restored.apply(&newer).await.unwrap().outcome, Outcome::Unchanged);
    assert_eq!(restored.columns("t").await, columns(&[("a", "integer"), ("b", "text")]));
    assert_eq!(restored.count("t").await, 1);
    // A column that the dump has, and the spec has lost since, isn't dropped by the way.
    let error = restored.rejected(&spec("t", &[("b", "text")])).await;
    assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{error}");
}

#[tokio::test]
async fn a_restore_while_the_operator_works_ends_with_the_rows_of_the_dump() {
    for options in [&["--single-transaction"][..], &[]] {
        let world = World::new(&format!("restored_{}", options.len())).await;
        let wanted = spec("t", &[("a", "integer"), ("b", "text")]);
        world.apply(&wanted).await.unwrap();
        world.run("INSERT INTO t SELECT n, n::text FROM generate_series(1, 20000) n").await;
        let Some(dump) = Dump::of(&world, &[]).await else { return };
        world.run("INSERT INTO t VALUES (0, 'later')").await;
        let clean = [&["--clean", "--if-exists"], options].concat();
        let restore = dump.restore(&world.database.name, &clean);
        tokio::pin!(restore);
        let whole = loop {
            tokio::select! {
                whole = &mut restore => break whole,
                applied = world.apply(&wanted) => {
                    // The comment follows the table.
                    let passes = |error: &database_table_operator::error::TableError| {
                        error.class() == ErrorClass::Temporary || error.reason() == ConditionReason::Conflict
                    };
                    assert!(applied.as_ref().err().is_none_or(passes), "{applied:?}");
                }
            }
        };
        assert!(whole || options.is_empty(), "what takes one transaction meets nothing in between");
        assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
        assert_eq!((world.count("t").await, world.owner_of("t").await), (20_000, Some(owner("a"))));
    }
}

#[tokio::test]
async fn a_table_that_comes_back_with_a_dump_though_its_object_is_gone_is_left_alone() {
    let world = World::new("come_back").await;
    let wanted = spec("u", &[("a", "integer")]);
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.apply_as("gone", &wanted).await.unwrap();
    let Some(dump) = Dump::of(&world, &[]).await else { return };
    let restored = world.restored(&dump).await;
    let before = restored.snapshot().await;
    restored.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let error = restored.apply_as("other", &wanted).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::Conflict);
    assert_eq!(restored.snapshot().await, before);
    // An object of its name is the same object, to people.
    let again = claim(Owner { uid: "4-5-6".into(), ..owner("gone") });
    let applied = restored.tables.apply(&Existing("4-5-6"), &again, &table(&wanted)).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Unchanged);
    assert_eq!(restored.owner_of("u").await, Some(again.owner.clone()));
    let gone = restored.tables.drop_table(&Existing("4-5-6"), &again, None).await.unwrap();
    assert_eq!(gone, dropped("public.u"));
}
