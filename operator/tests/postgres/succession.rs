//! An object is deleted by force and created again under its name while a handler of the first one still
//! runs.

use crate::support::{Existing, NoAnswer, World, claim, columns, dropped, owner, spec, table};
use database_table_operator::{
    api::Objects,
    error::TableError,
    marker::Owner,
    outcome::{Applied, Dropped, Outcome},
    plan::Claim,
    sqlstate::ErrorClass,
};
use serde_json::Value;

const FIRST: &str = "uid-1";
const SECOND: &str = "uid-2";

fn with_uid(uid: &str) -> Owner {
    Owner { uid: uid.to_owned(), ..owner("a") }
}

impl World {
    async fn apply_with(
        &self,
        uid: &str,
        objects: impl Objects,
        spec: &Value,
    ) -> Result<Applied, TableError> {
        self.tables.apply(&objects, &claim(with_uid(uid)), &table(spec)).await
    }

    async fn drop_with(&self, uid: &str, objects: impl Objects) -> Result<Dropped, TableError> {
        self.tables.drop_table(&objects, &claim(with_uid(uid)), None).await
    }

    async fn comment(&self) -> String {
        let sql = "SELECT obj_description('t'::regclass, 'pg_class')";
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_late_deletion_leaves_the_table_to_the_successor() {
    let world = World::new("late_drop").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply_with(FIRST, NoAnswer, &wanted).await.unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    world.apply_with(SECOND, Existing(SECOND), &wanted).await.unwrap();
    let kept = Dropped::Kept("public.t".to_owned());
    assert_eq!(world.drop_with(FIRST, Existing(SECOND)).await.unwrap(), kept);
    // Nor if the successor isn't handled yet, nor if there is none because the finalizer was removed to keep
    // the table.
    let lines = with_uid(SECOND).decide_in(&world.comment().await).replace(SECOND, FIRST);
    world
        .run(&format!("COMMENT ON TABLE t IS {}", database_table_operator::identifier::literal(&lines)))
        .await;
    assert_eq!(world.drop_with(FIRST, Existing(SECOND)).await.unwrap(), kept);
    assert_eq!(world.drop_with(FIRST, Existing("none")).await.unwrap(), kept);
    world.apply_with(SECOND, Existing(SECOND), &wanted).await.unwrap();
    assert_eq!(world.sql.query("SELECT FROM t", &[]).await.unwrap().len(), 1);
    assert_eq!(world.drop_with(SECOND, Existing(SECOND)).await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_successor_takes_the_table_over_once_and_a_late_update_leaves_it_alone() {
    let world = World::new("take_over").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply_with(FIRST, NoAnswer, &wanted).await.unwrap();
    let mark = world.comment().await;
    world.run(&format!("COMMENT ON TABLE t IS E'Who signed up.\\n{mark}'")).await;

    let error = world.apply_with(SECOND, NoAnswer, &wanted).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
    let applied = world.apply_with(SECOND, Existing(SECOND), &wanted).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Unchanged);
    assert_eq!(Owner::from_comment(&world.comment().await), Some(with_uid(SECOND)));
    assert!(world.comment().await.starts_with("Who signed up.\n"));
    world.apply_with(SECOND, NoAnswer, &wanted).await.unwrap();

    let late = spec("t", &[("a", "integer"), ("b", "text")]);
    let error = world.apply_with(FIRST, Existing(SECOND), &late).await.unwrap_err();
    assert_eq!(
        (error.class(), error),
        (ErrorClass::Permanent, TableError::ObjectGone { table: "public.t".into() })
    );
    assert_eq!(world.columns("t").await, columns(&[("a", "integer")]));
    assert_eq!(Owner::from_comment(&world.comment().await), Some(with_uid(SECOND)));
}

#[tokio::test]
async fn an_object_that_was_never_handled_leaves_the_table_of_the_one_before_it() {
    let world = World::new("restored").await;
    world.apply_with(FIRST, NoAnswer, &spec("t", &[("a", "integer")])).await.unwrap();
    // It may be another cluster's, whose operator has the same id.
    let left = Dropped::Left("public.t".to_owned());
    assert_eq!(world.drop_with(SECOND, Existing(SECOND)).await.unwrap(), left);
    assert_eq!(world.columns("t").await, columns(&[("a", "integer")]));
    // By its status it is this object's: the line comes from a backup of the database.
    let claim = Claim { table: Some("public.t".into()), is_first_hand: true, ..claim(with_uid(SECOND)) };
    let dropped_now = world.tables.drop_table(&Existing(SECOND), &claim, None).await.unwrap();
    assert_eq!(dropped_now, dropped("public.t"));
}
