//! Tables that are there before their object, and have no owner.

use crate::support::{Existing, NoAnswer, World, claim, columns, dropped, owner, spec, table};
use database_table_operator::{
    error::TableError,
    marker::Owner,
    outcome::{Adoption, Applied, Dropped, Outcome},
    plan::Claim,
    spec::AdoptionPolicy,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};

/// The claim of an object whose policy allows it to adopt a table.
pub fn adopting(owner: Owner) -> Claim {
    Claim { adoption: AdoptionPolicy::IfCompatible, ..claim(owner) }
}

impl World {
    /// Applies as an object of this name that exists, and whose policy allows it to adopt a table.
    async fn adopt_as(&self, name: &str, spec: &Value) -> Result<Applied, TableError> {
        self.tables.apply(&Existing("1-2-3"), &adopting(owner(name)), &table(spec)).await
    }

    async fn rows(&self, table: &str) -> usize {
        self.sql.query(&format!("SELECT FROM {table}"), &[]).await.unwrap().len()
    }
}

pub async fn comment(world: &World, table: &str) -> Option<String> {
    let sql = format!("SELECT obj_description('{table}'::regclass, 'pg_class')");
    world.sql.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_compatible_table_is_marked_and_from_then_on_is_the_objects() {
    let mut world = World::new("adopt").await;
    world
        .run(
            "CREATE TABLE t (id bigint PRIMARY KEY, name varchar(50) NOT NULL, since timestamptz(6) DEFAULT now(), theirs text); \
             INSERT INTO t VALUES (1, 'Eva'); COMMENT ON TABLE t IS 'Who signed up.'",
        )
        .await;
    let mut wanted = spec("T", &[("SINCE", "timestamptz"), ("ID", "int8"), ("NAME", "varchar(50)")]);
    wanted["primaryKey"] = json!("ID");
    let error = world.apply(&wanted).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Environment, ConditionReason::Conflict));
    assert!(error.to_string().contains("set adoptionPolicy: IfCompatible"), "{error}");

    let applied = world.adopt_as("a", &wanted).await.unwrap();
    assert_eq!((applied.outcome, applied.adoption), (Outcome::Unchanged, Some(Adoption::ByPolicy)));
    assert_eq!(applied.extra_columns, ["theirs"]);
    let text = comment(&world, "t").await.unwrap();
    assert!(text.starts_with("Who signed up.\n"), "{text}");
    assert_eq!(Owner::from_comment(&text), Some(world.owner.clone()));

    world.restart();
    let again = world.apply(&wanted).await.unwrap();
    assert_eq!((again.outcome, again.adoption), (Outcome::Unchanged, None));
    let mut wider = wanted.clone();
    wider["columns"].as_array_mut().unwrap().push(json!({"MORE": "text"}));
    world.apply(&wider).await.unwrap();
    assert_eq!(world.rows("t").await, 1);
    assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
}

#[tokio::test]
async fn a_table_that_differs_is_left_alone_and_the_error_says_how() {
    let world = World::new("adopt_not").await;
    world
        .run(
            "CREATE TABLE t (a integer PRIMARY KEY, b text, g integer GENERATED ALWAYS AS (a * 2) STORED); \
             CREATE VIEW v AS SELECT a FROM t; CREATE TABLE p (a integer) PARTITION BY RANGE (a)",
        )
        .await;
    let before = world.snapshot().await;
    let keyed = |table: &str, list: &[(&str, &str)]| {
        let mut spec = spec(table, list);
        spec["primaryKey"] = json!("a");
        spec
    };
    for (spec, why) in [
        (spec("t", &[("a", "integer")]), "the primary key is (\"a\"), but absent in the spec"),
        (
            keyed("t", &[("a", "bigint")]),
            "column \"a\" would become bigint, for which what is generated from it",
        ),
        (keyed("t", &[("a", "integer"), ("c", "text")]), "column \"c\" is in the spec but not in the table"),
        (keyed("t", &[("a", "integer"), ("g", "integer")]), "column \"g\" is generated (STORED)"),
        (spec("v", &[("a", "integer")]), "public.v is a view, not a table"),
        (spec("p", &[("a", "integer")]), "the table is partitioned"),
    ] {
        let error = world.adopt_as("a", &spec).await.unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (ErrorClass::Environment, ConditionReason::Conflict),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{spec}: {error}");
        assert_eq!(world.snapshot().await, before, "{spec}");
    }
}

#[tokio::test]
async fn the_table_of_another_object_or_cluster_is_never_adopted() {
    let world = World::new("adopt_others").await;
    let wanted = spec("t", &[("a", "integer")]);
    world.apply(&wanted).await.unwrap();
    let before = world.snapshot().await;
    let there = adopting(Owner { cluster: "elsewhere".into(), ..world.owner.clone() });
    for claim in [adopting(owner("b")), there] {
        let error = world.tables.apply(&Existing("1-2-3"), &claim, &table(&wanted)).await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
        assert_eq!(
            world.tables.drop_table(&Existing("1-2-3"), &claim, None).await.unwrap(),
            Dropped::NoTable
        );
    }
    assert_eq!(world.snapshot().await, before);
}

#[tokio::test]
async fn of_two_objects_that_would_adopt_a_table_one_gets_it() {
    let world = World::new("adopt_race").await;
    world.run("CREATE TABLE t (a integer)").await;
    let wanted = spec("t", &[("a", "integer")]);
    let results = tokio::join!(world.adopt_as("a", &wanted), world.adopt_as("b", &wanted));
    let [won, lost] = if results.0.is_ok() { [results.0, results.1] } else { [results.1, results.0] };
    assert_eq!(won.unwrap().adoption, Some(Adoption::ByPolicy));
    let lost = lost.unwrap_err().to_string();
    assert!(lost.contains("belongs to the DatabaseTable shop/"), "{lost}");
}

#[tokio::test]
async fn an_object_that_is_gone_adopts_nothing() {
    let world = World::new("adopt_gone").await;
    world.run("CREATE TABLE t (a integer)").await;
    let (claim, wanted) = (adopting(owner("a")), table(&spec("t", &[("a", "integer")])));
    let error = world.tables.apply(&Existing("9"), &claim, &wanted).await.unwrap_err();
    assert_eq!(
        (error.class(), error),
        (ErrorClass::Permanent, TableError::ObjectGone { table: "public.t".into() })
    );
    let error = world.tables.apply(&NoAnswer, &claim, &wanted).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
    assert_eq!(comment(&world, "t").await, None);
}

/// An application's role has its rights as the table's owner: it keeps them if the operator's role becomes a member of it, and loses them
/// with the table.
#[tokio::test]
async fn a_table_of_another_role_is_adopted_once_the_operator_is_a_member_of_it_or_has_the_table() {
    for (name, grant, keeps) in [
        ("adopt_member", "GRANT \"{app}\" TO \"{user}\"", true),
        ("adopt_owner", "ALTER TABLE t OWNER TO \"{user}\"", false),
    ] {
        let world = World::new(name).await;
        let user = &world.database.user;
        let app = format!("{user}_app");
        let run = async |sql: &str| {
            world.run_as_superuser(&sql.replace("{app}", &app).replace("{user}", user)).await;
        };
        run("CREATE ROLE \"{app}\"; CREATE TABLE t (a integer); ALTER TABLE t OWNER TO \"{app}\"").await;
        let error = world.adopt_as("a", &spec("t", &[("a", "integer")])).await.unwrap_err();
        assert_eq!(error.reason(), ConditionReason::PermissionDenied, "{error}");
        assert!(error.to_string().contains("must be owner of table t"), "{error}");
        run(grant).await;
        world.adopt_as("a", &spec("t", &[("a", "integer")])).await.unwrap();
        let wider = json!({"tableName": "t", "columns": [{"a": "integer"}, {"b": {"type": "text", "unique": true}}],
                           "indexes": [{"name": "by_a", "columns": ["a"]}]});
        world.adopt_as("a", &wider).await.unwrap();
        assert_eq!(world.columns("t").await, columns(&[("a", "integer"), ("b", "text")]));
        let may = format!("SELECT has_table_privilege('{app}', 't', 'SELECT')");
        assert_eq!(world.sql.query_one(&may, &[]).await.unwrap().get::<_, bool>(0), keeps, "{name}");
        assert_eq!(world.drop().await.unwrap(), dropped("public.t"));
    }
}
