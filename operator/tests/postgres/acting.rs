//! A user who acts as the role that owns the tables (`ALTER ROLE a SET role = owner`): two of them take turns when passwords rotate.

use crate::{
    indexes::until_over,
    support::{World, dropped, server, spec},
};
use database_table_operator::status::ConditionReason;
use futures::future::join;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

impl World {
    /// One whose users act as another role, with a table `t` that has rows.
    async fn acting(name: &str) -> Self {
        let database = server().await.create_database(name).await.unwrap();
        let superuser = database.connect_as_superuser().await.unwrap();
        let (user, owner) = (&database.user, format!("{}_owner", database.user));
        let sql = format!(
            "CREATE ROLE \"{owner}\"; GRANT \"{owner}\" TO \"{user}\"; ALTER ROLE \"{user}\" SET role = \"{owner}\"; \
             GRANT USAGE, CREATE ON SCHEMA public TO \"{owner}\"; ALTER DATABASE \"{}\" OWNER TO \"{owner}\"",
            database.name
        );
        superuser.batch_execute(&sql).await.unwrap();
        let world = Self::of(database).await;
        world.apply(&wanted(&json!({}), &json!([]))).await.unwrap();
        world.run("INSERT INTO t SELECT n, n FROM generate_series(1, 100) n").await;
        let owned = "SELECT tableowner::text FROM pg_tables WHERE tablename = 't'";
        assert_eq!(world.sql.query_one(owned, &[]).await.unwrap().get::<_, String>(0), owner);
        world
    }

    /// Begins what can't be over before the transaction that this returns is.
    async fn begun(&self, wanted: &Value) -> Client {
        let old = self.database.connect().await.unwrap();
        old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1")
            .await
            .unwrap();
        let error = self.apply(wanted).await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::InProgress, "{error}");
        old
    }
}

fn wanted(settings: &Value, indexes: &Value) -> Value {
    let mut wanted = spec("t", &[("a", "integer")]);
    let mut column = json!({"type": "integer"});
    column.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    wanted["columns"].as_array_mut().unwrap().push(json!({"b": column}));
    wanted["indexes"] = indexes.clone();
    wanted
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_the_build_of_a_user_who_acts_as_the_owner() {
    for (name, restart) in [("acting_deleted", false), ("acting_deleted_later", true)] {
        let mut world = World::acting(name).await;
        let old = world.begun(&wanted(&json!({}), &json!([{"name": "by_b", "columns": ["b"]}]))).await;
        if restart {
            world.restart();
        }
        let begun = Instant::now();
        assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        old.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn what_leaves_the_spec_is_given_up_by_a_user_who_acts_as_the_owner() {
    for (name, settings, indexes) in [
        ("acting_index", json!({}), json!([{"name": "by_b", "columns": ["b"]}])),
        ("acting_unique", json!({"unique": true}), json!([])),
    ] {
        let mut world = World::acting(name).await;
        let old = world.begun(&wanted(&settings, &indexes)).await;
        world.restart();
        let superuser = world.database.connect_as_superuser().await.unwrap();
        let give_up = async {
            let going = "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database()";
            while !superuser.query(going, &[]).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The drop waits for old transactions, too.
            old.batch_execute("COMMIT").await.unwrap();
        };
        let without = wanted(&json!({}), &json!([]));
        let given_up = join(until_over(&world, &without), give_up);
        let (result, ()) = tokio::time::timeout(Duration::from_secs(30), given_up).await.expect(name);
        assert_eq!(result, Ok(()), "{name}");
    }
}
