//! Lines of owners on tables of people who have nothing to do with the operator's role. Everybody can read what is in a line, and
//! write one on a table of their own.

use crate::support::{World, columns, dropped, owner, spec};
use database_table_operator::{
    marker::FromSpec,
    outcome::{Dropped, Outcome},
    sqlstate::ErrorClass,
    status::ConditionReason,
};

impl World {
    /// A table of another role, with the line of this object, and a place where that role may make some.
    async fn forged(name: &str, table: &str) -> Self {
        let world = Self::new(name).await;
        let mallory = format!("\"{}_mallory\"", world.database.name);
        let line = owner("a").mark_comment(None, &FromSpec::of_columns(["a".to_owned()].into()));
        let sql = format!(
            "CREATE ROLE {mallory}; CREATE SCHEMA evil AUTHORIZATION {mallory}; GRANT USAGE ON SCHEMA evil TO PUBLIC; \
             GRANT USAGE, CREATE ON SCHEMA public TO {mallory}; SET ROLE {mallory}; \
             CREATE TABLE {table} (a integer); COMMENT ON TABLE {table} IS '{line}'"
        );
        world.run_as_superuser(&sql).await;
        world
    }
}

#[tokio::test]
async fn a_line_on_a_strangers_table_keeps_no_table_from_being_made_and_none_from_being_dropped() {
    let mut world = World::forged("forged", "evil.t").await;
    assert_eq!(world.apply(&spec("t", &[("a", "integer")])).await.unwrap().outcome, Outcome::Created);
    world.restart();
    world.lose_the_status();
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
    assert_eq!(world.drop().await.unwrap(), Dropped::NoTable);
    assert_eq!(world.columns("evil.t").await, columns(&[("a", "integer")]));
}

#[tokio::test]
async fn a_strangers_table_in_the_place_of_one_isnt_the_objects_whatever_its_comment_says() {
    let world = World::forged("forged_place", "public.t").await;
    for wanted in [spec("t", &[("a", "integer")]), spec("t", &[("a", "integer"), ("b", "text")])] {
        let error = world.rejected(&wanted).await;
        assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
        assert!(error.to_string().contains("belongs to the role"), "{error}");
    }
}

#[tokio::test]
async fn the_table_of_a_role_that_the_operator_is_a_member_of_is_the_objects() {
    let mut world = World::new("forged_member").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    let (user, name) = (&world.database.user, format!("\"{}_app\"", world.database.name));
    let given = format!(
        "CREATE ROLE {name}; GRANT {name} TO \"{user}\"; CREATE SCHEMA app AUTHORIZATION {name}; \
         ALTER TABLE t OWNER TO {name}; ALTER TABLE t SET SCHEMA app"
    );
    world.run_as_superuser(&given).await;
    world.restart();
    world.lose_the_status();
    let more = spec("t", &[("a", "integer"), ("b", "text")]);
    assert_eq!(world.apply(&more).await.unwrap().table, "app.t");
    world.lose_the_status();
    assert_eq!(world.drop().await.unwrap(), dropped("app.t"));
}

#[tokio::test]
async fn a_table_that_was_given_to_a_stranger_stays_the_objects_as_far_as_its_status_says_so() {
    let mut world = World::new("forged_given").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    let name = format!("\"{}_app\"", world.database.name);
    world.run_as_superuser(&format!("CREATE ROLE {name}; ALTER TABLE t OWNER TO {name}")).await;
    world.restart();
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    let error = world.rejected(&spec("t", &[("a", "integer"), ("b", "text")])).await;
    assert_eq!(error.reason(), ConditionReason::PermissionDenied, "{error}");
    assert_eq!(world.drop().await.unwrap_err().reason(), ConditionReason::PermissionDenied);
}
