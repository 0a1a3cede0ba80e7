//! Two operators with one cluster id, each with an object of the same namespace and name.

use crate::drift::look;
use crate::support::{Existing, World, claim, columns, dropped, owner, spec, table};
use database_table_operator::{
    error::TableError,
    marker::{Owner, Standing},
    outcome::{Applied, Dropped, Outcome},
    plan::Claim,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};

const ONE: &str = "uid-1";
const TWO: &str = "uid-2";

/// What the status of an object says that has had the table.
fn known(uid: &'static str) -> Claim {
    let owner = Owner { uid: uid.into(), ..owner("a") };
    Claim { table: Some("public.t".into()), is_first_hand: true, was_applied: true, ..claim(owner) }
}

fn wanted() -> Value {
    let mut wanted = spec("t", &[("a", "integer")]);
    wanted["primaryKey"] = json!("a");
    wanted
}

impl World {
    async fn of_cluster(&self, uid: &'static str, wanted: &Value) -> Result<Applied, TableError> {
        self.tables.apply(&Existing(uid), &known(uid), &table(wanted)).await
    }

    async fn drop_of(&self, uid: &'static str) -> Dropped {
        self.tables.drop_table(&Existing(uid), &known(uid), None).await.unwrap()
    }

    async fn line(&self) -> String {
        let query = "SELECT obj_description('t'::regclass, 'pg_class')";
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Asserts that an object has a conflict that tells of the other one, and returns the statement that decides for it.
    async fn conflict(&self, uid: &'static str, wanted: &Value) -> String {
        let error = self.of_cluster(uid, wanted).await.expect_err(uid);
        assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
        let (text, rival) = (error.to_string(), if uid == ONE { TWO } else { ONE });
        for part in [rival, "the same cluster id, \"test\"", "--cluster-id of its own"] {
            assert!(text.contains(part), "{text}");
        }
        let [pending] = error.pending() else { panic!("{:?}", error.pending()) };
        pending.clone()
    }
}

/// A table with a row that the second object has taken from the first one, and both have noticed.
async fn disputed(name: &str) -> World {
    let world = World::new(name).await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    world.run("INSERT INTO t VALUES (1)").await;
    // To the second one, it is that of an object which was there before.
    assert_eq!(world.of_cluster(TWO, &wanted()).await.unwrap().outcome, Outcome::Unchanged);
    world.conflict(ONE, &wanted()).await;
    world.conflict(TWO, &wanted()).await;
    world
}

#[tokio::test]
async fn two_objects_on_one_table_find_each_other_and_neither_changes_or_drops_it() {
    let world = disputed("disputed").await;
    let before = world.snapshot().await;
    let more = spec("t", &[("a", "integer"), ("b", "text")]);
    for round in 0..3 {
        for uid in [ONE, TWO] {
            world.conflict(uid, &more).await;
            assert_eq!(world.snapshot().await, before, "round {round}, {uid}");
        }
    }
    // Nor does a third one.
    let third = claim(Owner { uid: "uid-3".into(), ..owner("a") });
    let error = world.tables.apply(&Existing("uid-3"), &third, &table(&wanted())).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
    let left = world.tables.drop_table(&Existing("uid-3"), &third, None).await.unwrap();
    assert_eq!(left, Dropped::Left("public.t".into()));
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn both_notice_it_at_their_next_look() {
    let mut world = World::new("disputed_noticed").await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    let one = world.another_process();
    world.of_cluster(TWO, &wanted()).await.unwrap();
    let two = std::mem::replace(&mut world.tables, one);
    assert_eq!(look(&two).await.unwrap(), [""; 0]);
    assert_eq!(look(&world.tables).await.unwrap(), ["a"]);
    world.conflict(ONE, &wanted()).await;
    assert_eq!(look(&two).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn the_statement_in_the_docs_lets_the_only_one_that_has_kept_its_id_take_all_tables_back() {
    let world = disputed("disputed_docs").await;
    world.run("COMMENT ON COLUMN t.a IS 'mine'; CREATE TABLE theirs (a integer); COMMENT ON TABLE theirs IS 'mine'").await;
    let docs = include_str!("../../docs/clusters.md");
    let statement = docs.split("```sql\n").find(|text| text.contains("claimants")).unwrap();
    let (statement, _) = statement.split_once("```").unwrap();
    world.run(&statement.replace("THE-ID", "another")).await;
    world.conflict(ONE, &wanted()).await;
    world.run(&statement.replace("THE-ID", "test")).await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    assert_eq!(known(ONE).owner.standing(&world.line().await), Some(Standing::Own));
    assert_eq!(world.drop_of(ONE).await, dropped("public.t"));
}

#[tokio::test]
async fn the_one_that_is_deleted_leaves_the_table_to_the_other_one() {
    for (number, (goes, stays)) in [(ONE, TWO), (TWO, ONE)].into_iter().enumerate() {
        let world = disputed(&format!("disputed_{number}")).await;
        assert_eq!(world.drop_of(goes).await, Dropped::Left("public.t".into()), "{goes}");
        let more = spec("t", &[("a", "integer"), ("b", "text")]);
        let more = json!({"tableName": "t", "columns": more["columns"], "primaryKey": "a"});
        world.of_cluster(stays, &more).await.unwrap();
        assert_eq!(world.columns("t").await, columns(&[("a", "integer"), ("b", "text")]), "{stays}");
        assert_eq!(world.sql.query("SELECT FROM t", &[]).await.unwrap().len(), 1);
        assert_eq!(world.drop_of(stays).await, dropped("public.t"), "{stays}");
    }
}

#[tokio::test]
async fn the_statement_that_is_held_back_decides_and_only_while_the_other_operator_has_another_id() {
    let world = disputed("disputed_decided").await;
    for uid in [ONE, TWO, ONE] {
        let decides = world.conflict(uid, &wanted()).await;
        world.run(&decides).await;
        assert_eq!(world.of_cluster(uid, &wanted()).await.unwrap().outcome, Outcome::Unchanged, "{uid}");
        assert_eq!(known(uid).owner.standing(&world.line().await), Some(Standing::Own));
        // The other one still has the same id.
        world.conflict(if uid == ONE { TWO } else { ONE }, &wanted()).await;
    }
    // Or the line is removed: by its status, each may write it again.
    world.run("COMMENT ON TABLE t IS NULL").await;
    world.of_cluster(TWO, &wanted()).await.unwrap();
    world.of_cluster(TWO, &wanted()).await.unwrap();
    assert_eq!(world.drop_of(TWO).await, dropped("public.t"));
}

#[tokio::test]
async fn a_deletion_leaves_a_table_that_another_object_has_taken_and_nobody_has_claimed_yet() {
    let world = World::new("undisputed").await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    world.of_cluster(TWO, &wanted()).await.unwrap();
    assert_eq!(world.drop_of(ONE).await, Dropped::Left("public.t".into()));
    world.of_cluster(TWO, &wanted()).await.unwrap();
    // One that could never be applied, because its spec is of before, say, has no table to drop.
    let third = claim(Owner { uid: "uid-3".into(), ..owner("a") });
    let none = table(&spec("t", &[("b", "text")]));
    let error = world.tables.apply(&Existing("uid-3"), &third, &none).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{error}");
    let left = world.tables.drop_table(&Existing("uid-3"), &third, Some(&none)).await.unwrap();
    assert_eq!(left, Dropped::Left("public.t".into()));
    assert_eq!(world.drop_of(TWO).await, dropped("public.t"));
}

#[tokio::test]
async fn an_object_that_was_created_again_goes_on_with_its_table_also_after_a_restore_of_the_database() {
    let world = World::new("recreated").await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    let backup = world.line().await;
    // Deleted with Retain, or by force, and created again, a few times.
    for uid in [TWO, "uid-3", "uid-4", "uid-5", "uid-6"] {
        world.of_cluster(uid, &wanted()).await.unwrap();
        world.of_cluster(uid, &wanted()).await.unwrap();
    }
    // The database is restored from before that.
    world
        .run(&format!("COMMENT ON TABLE t IS {}", database_table_operator::identifier::literal(&backup)))
        .await;
    world.of_cluster("uid-6", &wanted()).await.unwrap();
    assert_eq!(known("uid-6").owner.standing(&world.line().await), Some(Standing::Own));
    assert_eq!(world.drop_of("uid-6").await, dropped("public.t"));
}

#[tokio::test]
async fn a_handler_of_an_object_that_is_gone_claims_nothing() {
    let world = World::new("undisputed_gone").await;
    world.of_cluster(ONE, &wanted()).await.unwrap();
    world.of_cluster(TWO, &wanted()).await.unwrap();
    let before = world.snapshot().await;
    let error = world.tables.apply(&Existing(TWO), &known(ONE), &table(&wanted())).await.unwrap_err();
    assert_eq!(error, TableError::ObjectGone { table: "public.t".into() });
    assert_eq!(world.snapshot().await, before);
}
