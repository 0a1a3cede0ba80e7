//! Schemas that specs name, and what a database may get later than an object asks for it.

use crate::support::{World, columns, dropped, spec};
use database_table_operator::{
    error::TableError, outcome::Outcome, plan::PlanError, sqlstate::ErrorClass, status::ConditionReason,
};
use futures::future::join_all;
use serde_json::{Value, json};

fn in_schema(table: &str, schema: &str, create: bool) -> Value {
    let mut wanted = spec(table, &[("a", "integer")]);
    wanted["schema"] = json!(schema);
    if create {
        wanted["createSchema"] = json!(true);
    }
    wanted
}

#[tokio::test]
async fn a_table_is_made_in_the_schema_of_its_spec_and_dropped_there() {
    let world = World::new("in_schema").await;
    world.run("CREATE SCHEMA \"My App\"").await;
    let wanted = in_schema("t", "\"My App\"", false);
    let applied = world.apply(&wanted).await.unwrap();
    assert_eq!((applied.outcome, applied.table.as_str()), (Outcome::Created, "\"My App\".t"));
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    // A table of this name in the connection's schema is another one.
    world.apply_as("b", &spec("t", &[("b", "integer")])).await.unwrap();
    world.lose_the_status();
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Unchanged);
    world.lose_the_status();
    assert_eq!(world.drop().await.unwrap(), dropped("\"My App\".t"));
    assert_eq!(world.columns("public.t").await, columns(&[("b", "integer")]));
}

#[tokio::test]
async fn a_missing_schema_is_waited_for_or_created() {
    let world = World::new("missing_schema").await;
    let error = world.rejected(&in_schema("t", "App", false)).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::SchemaMissing));
    let expected = "the database has no schema \"app\": create it, or set spec.createSchema";
    assert_eq!(error.to_string(), expected);
    let applied = world.apply(&in_schema("t", "App", true)).await.unwrap();
    assert_eq!((applied.outcome, applied.table.as_str()), (Outcome::Created, "app.t"));
    // Nobody drops it: others may use it by now.
    assert_eq!(world.drop().await.unwrap(), dropped("app.t"));
    world.lose_the_status();
    assert_eq!(world.apply(&in_schema("t", "App", false)).await.unwrap().outcome, Outcome::Created);
}

#[tokio::test]
async fn a_schema_is_not_created_that_a_role_would_look_in_first() {
    let world = World::new("schema_of_role").await;
    let user = format!("\"{}\"", world.database.user.replace('"', "\"\""));
    let error = world.rejected(&in_schema("t", &user, true)).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::SchemaMissing));
    assert!(error.to_string().contains("because a role has this name"), "{error}");
    world.run(&format!("CREATE SCHEMA {user}")).await;
    let applied = world.apply(&in_schema("t", &user, true)).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Created);
}

#[tokio::test]
async fn a_schema_is_created_by_many_objects_at_once() {
    let world = World::new("many_in_schema").await;
    let names: Vec<_> = (0..16).map(|number| format!("t{number}")).collect();
    let specs: Vec<_> = names.iter().map(|name| in_schema(name, "app", true)).collect();
    let applied = join_all(names.iter().zip(&specs).map(|(name, spec)| world.apply_as(name, spec))).await;
    for (name, applied) in names.iter().zip(applied) {
        assert_eq!(applied.unwrap().table, format!("app.{name}"));
    }
}

#[tokio::test]
async fn without_the_right_to_create_a_schema_the_object_waits_for_it() {
    let world = World::new("no_right_to_schema").await;
    let (name, user) = (world.database.name.replace('"', "\"\""), world.database.user.replace('"', "\"\""));
    let owner = format!(
        "ALTER DATABASE \"{name}\" OWNER TO postgres; REVOKE ALL ON DATABASE \"{name}\" FROM \"{user}\""
    );
    world.run_as_superuser(&owner).await;
    let error = world.rejected(&in_schema("t", "app", true)).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::PermissionDenied));
    world.run_as_superuser(&format!("CREATE SCHEMA app AUTHORIZATION \"{user}\"")).await;
    assert_eq!(world.apply(&in_schema("t", "app", true)).await.unwrap().outcome, Outcome::Created);
}

#[tokio::test]
async fn a_table_that_another_process_has_made_is_not_made_again_in_another_schema() {
    let mut world = World::new("other_process").await;
    world.run("CREATE SCHEMA app").await;
    // This process reads which objects have tables.
    world.apply_as("b", &spec("b", &[("a", "integer")])).await.unwrap();
    world.run("CREATE TABLE x (a integer)").await;
    world.apply_as("c", &spec("x", &[("a", "integer")])).await.unwrap_err();
    let this = world.another_process();
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    world.tables = this;
    let error = world.rejected(&in_schema("t", "app", false)).await;
    assert!(matches!(error, TableError::Plan(PlanError::Renamed { .. })), "{error}");
    assert_eq!(world.columns("app.t").await, []);
}

#[tokio::test]
async fn a_table_is_not_moved_to_another_schema() {
    let world = World::new("other_schema").await;
    world.run("CREATE SCHEMA app").await;
    world.apply(&spec("t", &[("a", "integer")])).await.unwrap();
    for status_is_lost in [false, true] {
        if status_is_lost {
            world.lose_the_status();
        }
        let error = world.rejected(&in_schema("t", "app", true)).await;
        assert!(
            matches!(&error, TableError::Plan(PlanError::Renamed { existing, wanted, .. }) if (&**existing, &**wanted) == ("public.t", "app.t")),
            "{error}"
        );
        assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, ConditionReason::UpdateAborted));
    }
    // Somebody moves it: then the spec is right.
    world.run("ALTER TABLE public.t SET SCHEMA app").await;
    assert_eq!(world.apply(&in_schema("t", "app", false)).await.unwrap().table, "app.t");
    // Without a schema in the spec, it stays where it is.
    assert_eq!(world.apply(&spec("t", &[("a", "integer")])).await.unwrap().table, "app.t");
    assert_eq!(world.drop_named(Some("t")).await.unwrap(), dropped("app.t"));
}

#[tokio::test]
async fn a_type_that_comes_later_is_waited_for() {
    let world = World::new("late_type").await;
    let wanted = spec("t", &[("a", "integer"), ("feeling", "mood"), ("other", "later.kind[]")]);
    let error = world.rejected(&wanted).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::TypeMissing));
    assert_eq!(error.cause(), "the database has no type mood");
    world.run("CREATE TYPE mood AS ENUM ('ok')").await;
    let error = world.rejected(&wanted).await;
    assert_eq!(
        (error.reason(), error.cause()),
        (ConditionReason::TypeMissing, "the database has no type later.kind[]".into())
    );
    world.run("CREATE SCHEMA later; CREATE DOMAIN later.kind AS text").await;
    assert_eq!(world.apply(&wanted).await.unwrap().outcome, Outcome::Created);
    // As a new column, too, and after the type is gone.
    let mut more = wanted.clone();
    more["columns"].as_array_mut().unwrap().push(json!({"new": "mood2"}));
    assert_eq!(world.rejected(&more).await.reason(), ConditionReason::TypeMissing);
    world.run("CREATE TYPE mood2 AS ENUM ('ok')").await;
    assert_eq!(world.apply(&more).await.unwrap().outcome, Outcome::ColumnsAdded(vec!["new".into()]));
}
