//! Tables that an operator has made which leaves no owner's line: the Kopf demo's.

use crate::{
    adopt::comment,
    support::{Existing, NoAnswer, World, columns, dropped, spec, table},
};
use database_table_operator::{
    api::Objects,
    error::TableError,
    marker::Owner,
    outcome::{Adoption, Applied, Dropped, Outcome},
    spec::AdoptionPolicy,
    sqlstate::ErrorClass,
    status::ConditionReason,
};
use serde_json::{Value, json};

const HERE: Existing = Existing("1-2-3");

/// What the Kopf demo sends for its sample.
const DEMO: &str = "CREATE TABLE WEBSITE_USERS (USER_ID integer, USER_NAME varchar(50), USER_EMAIL varchar(100), \
                    SIGNUP_DATE date, LAST_LOGIN timestamp, PRIMARY KEY (USER_ID))";

fn demo() -> Value {
    let columns = [
        ("USER_ID", "integer"),
        ("USER_NAME", "varchar(50)"),
        ("USER_EMAIL", "varchar(100)"),
        ("SIGNUP_DATE", "date"),
        ("LAST_LOGIN", "timestamp"),
    ];
    let mut spec = spec("WEBSITE_USERS", &columns);
    spec["primaryKey"] = json!("USER_ID");
    spec
}

fn with_column(mut spec: Value, name: &str) -> Value {
    spec["columns"].as_array_mut().unwrap().push(json!({name: "char(2)"}));
    spec
}

/// A database with the Kopf demo's table, whose object was handled last with its sample.
async fn world(name: &str) -> World {
    let world = World::new(name).await;
    world.claim.lock().unwrap().former = Some(table(&demo()));
    world.run(DEMO).await;
    world
}

impl World {
    async fn apply_handed(&self, objects: impl Objects, spec: &Value) -> Result<Applied, TableError> {
        let claim = self.claim.lock().unwrap().clone();
        self.tables.apply(&objects, &claim, &table(spec)).await
    }

    async fn drop_handed(&self, objects: impl Objects) -> Result<Dropped, TableError> {
        let claim = self.claim.lock().unwrap().clone();
        self.tables.drop_table(&objects, &claim, Some(&table(&demo()))).await
    }

    async fn is_marked(&self) -> bool {
        let text = comment(self, "website_users").await.unwrap_or_default();
        Owner::from_comment(&text).as_ref() == Some(&self.owner)
    }
}

#[tokio::test]
async fn the_demos_table_is_taken_over_once_and_gets_columns_and_is_dropped() {
    let mut world = world("handed").await;
    let applied = world.apply_handed(HERE, &demo()).await.unwrap();
    assert_eq!((applied.outcome, applied.adoption), (Outcome::Unchanged, Some(Adoption::HandedOver)));
    assert!(world.is_marked().await);
    world.restart();
    let again = world.apply_handed(NoAnswer, &demo()).await.unwrap();
    assert_eq!((again.outcome, again.adoption), (Outcome::Unchanged, None));
    let more = world.apply_handed(NoAnswer, &with_column(demo(), "COUNTRY")).await.unwrap();
    assert_eq!(more.outcome, Outcome::ColumnsAdded(vec!["country".into()]));
    assert_eq!(world.drop_handed(HERE).await.unwrap(), dropped("public.website_users"));
}

#[tokio::test]
async fn a_spec_that_changed_while_no_operator_ran_is_planned_against_the_table_that_was_handed_over() {
    let world = world("handed_changed").await;
    let applied = world.apply_handed(HERE, &with_column(demo(), "COUNTRY")).await.unwrap();
    assert_eq!(applied.outcome, Outcome::ColumnsAdded(vec!["country".into()]));
    assert_eq!(applied.adoption, Some(Adoption::HandedOver));
    assert_eq!(world.columns("website_users").await.len(), 6);
}

#[tokio::test]
async fn a_column_that_was_removed_while_no_operator_ran_is_refused_and_the_table_is_the_objects_all_the_same()
 {
    let world = world("handed_removed").await;
    let mut less = demo();
    less["columns"].as_array_mut().unwrap().pop();
    let error = world.apply_handed(HERE, &less).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{error}");
    assert!(error.to_string().contains("\"last_login\" is in the table but not in the spec"), "{error}");
    assert!(world.is_marked().await);
    // The object's next state was handled last, by this operator: it isn't asked for any more.
    world.claim.lock().unwrap().former = Some(table(&less));
    world.apply_handed(NoAnswer, &demo()).await.unwrap();
}

#[tokio::test]
async fn another_table_name_in_the_spec_is_refused_like_any_renaming() {
    let world = world("handed_renamed").await;
    let mut renamed = demo();
    renamed["tableName"] = json!("people");
    let error = world.apply_handed(HERE, &renamed).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::UpdateAborted, "{error}");
    assert!(error.to_string().contains("this object's table is public.website_users"), "{error}");
    assert_eq!(world.columns("people").await, []);
}

#[tokio::test]
async fn what_is_not_exactly_as_it_was_made_is_left_alone_and_the_error_says_how_it_differs() {
    for (number, (change, why)) in [
        ("ALTER TABLE website_users ADD audit text", "column \"audit\" is in the table but not in the spec"),
        (
            "ALTER TABLE website_users DROP user_email",
            "column \"user_email\" is in the spec but not in the table",
        ),
        (
            "ALTER TABLE website_users ALTER user_name TYPE text",
            "column \"user_name\" has the type text, but character varying(50) in the spec",
        ),
        (
            "ALTER TABLE website_users DROP CONSTRAINT website_users_pkey",
            "the primary key is absent, but (\"user_id\") in the spec",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let world = world(&format!("handed_strange_{number}")).await;
        world.run(change).await;
        let before = world.snapshot().await;
        let updated = world.apply_handed(HERE, &demo()).await.unwrap_err();
        let deleted = world.drop_handed(HERE).await.unwrap_err();
        for (error, deleting) in [(updated, false), (deleted, true)] {
            assert_eq!(
                (error.class(), error.reason()),
                (ErrorClass::Environment, ConditionReason::Conflict),
                "{error}"
            );
            let text = error.message(deleting);
            assert!(text.contains(why), "{text}");
            assert_eq!(text.contains("deletionPolicy: Retain"), deleting, "{text}");
        }
        assert_eq!(world.snapshot().await, before, "{change}");
    }
}

#[tokio::test]
async fn a_table_with_a_persons_column_is_adopted_where_the_policy_allows_it() {
    let world = world("handed_adopted").await;
    world.run("ALTER TABLE website_users ADD audit text").await;
    world.claim.lock().unwrap().adoption = AdoptionPolicy::IfCompatible;
    let applied = world.apply_handed(HERE, &demo()).await.unwrap();
    assert_eq!(
        (applied.adoption, applied.extra_columns),
        (Some(Adoption::ByPolicy), vec!["audit".to_owned()])
    );
}

#[tokio::test]
async fn an_object_that_was_deleted_meanwhile_has_its_table_dropped_and_by_force_has_not() {
    let world = world("handed_deleted").await;
    assert_eq!(world.drop_handed(Existing("9")).await.unwrap(), Dropped::NoTable);
    assert!(!world.is_marked().await);
    let error = world.drop_handed(NoAnswer).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Temporary, "{error}");
    assert_eq!(world.drop_handed(HERE).await.unwrap(), dropped("public.website_users"));
    assert_eq!(world.drop_handed(HERE).await.unwrap(), Dropped::NoTable);
}

#[tokio::test]
async fn a_table_that_another_object_owns_by_now_is_not_handed_over() {
    let world = world("handed_owned").await;
    world.run("DROP TABLE website_users").await;
    world.apply_as("b", &spec("website_users", &[("user_id", "integer")])).await.unwrap();
    let error = world.apply_handed(HERE, &demo()).await.unwrap_err();
    assert!(error.to_string().contains("belongs to the DatabaseTable shop/b"), "{error}");
    assert_eq!(world.drop_handed(HERE).await.unwrap(), Dropped::NoTable);
    assert_eq!(world.columns("website_users").await, columns(&[("user_id", "integer")]));
}

#[tokio::test]
async fn a_table_that_is_missing_is_made_again() {
    let world = world("handed_missing").await;
    world.run("DROP TABLE website_users").await;
    let applied = world.apply_handed(HERE, &demo()).await.unwrap();
    assert_eq!((applied.outcome, applied.adoption), (Outcome::Created, None));
}

#[tokio::test]
async fn a_type_that_is_gone_is_a_difference() {
    let world = world("handed_type").await;
    let mut typed = demo();
    typed["columns"][1] = json!({"USER_NAME": "their_type"});
    world.claim.lock().unwrap().former = Some(table(&typed));
    let error = world.apply_handed(HERE, &demo()).await.unwrap_err();
    assert_eq!(error.reason(), ConditionReason::Conflict, "{error}");
    assert!(error.to_string().contains("the type \"their_type\" is rejected"), "{error}");
}
