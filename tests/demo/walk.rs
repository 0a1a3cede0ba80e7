//! The walk: the seed's README, and on from where it ends.

use crate::{Result, checks::Checks, screen::Screen, stage::Stage};
use std::{io, time::Duration};

const KEY: &str = "PRIMARY KEY (user_id)";
const SEED: &str = "user_id integer, user_name character varying(50), user_email character varying(100), \
                    signup_date date, last_login timestamp without time zone";
const COUNTRY: &str = "country character varying(2)";
const CONDITIONS: &str =
    "kubectl get databasetable website-users -o custom-columns-file=tests/demo/status.columns";

pub fn introduction(screen: &Screen) -> io::Result<()> {
    screen.headline("One PostgreSQL table for every DatabaseTable")?;
    screen.say(
        "database-table-operator watches objects of the kind DatabaseTable in Kubernetes, and makes a table in \
         PostgreSQL for each. This is a walk through the life of one such object, on a real API server and a real \
         database. Lines with $ are commands that you could type; each step ends with what was checked.",
    )
}

/// All steps, up to one whose checks don't hold. With `keep`, the object is not deleted.
pub async fn walk(stage: &mut Stage<'_>, keep: bool) -> Result<()> {
    // Not a list of functions: they are async, and a loop over them would be longer than this.
    let _ = define(stage).await?
        && create(stage).await?
        && fill(stage).await?
        && add_column(stage).await?
        && remove_column(stage).await?
        && put_back(stage).await?
        && (keep || delete(stage).await?);
    Ok(())
}

async fn define(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("1. A kind and an object")?;
    stage.screen.say(
        "A custom resource definition tells Kubernetes of a new kind, and then there can be objects of it. No operator \
         runs yet, so Kubernetes keeps the object and nothing comes of it.",
    )?;
    stage.run("kubectl apply -f operator/manifests/seed-crd.yaml").await?;
    stage.run("kubectl wait --for=condition=Established --timeout=30s crd/databasetables.kopf.demo").await?;
    stage.run("cat operator/manifests/seed-cr.yaml").await?;
    stage.run("kubectl apply -f operator/manifests/seed-cr.yaml").await?;
    stage.psql(r"\d").await?;
    stage.expect_no_status().await?;
    stage.expect_table("PostgreSQL has no table website_users", "no table").await?;
    stage.end_step()
}

async fn create(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("2. The operator creates the table")?;
    stage.screen.say(
        "As soon as it runs, the operator finds the object that waits for it. It creates the table, and says so in \
         the object's status.",
    )?;
    stage.start_operator()?;
    stage
        .hear(&[
            "Create handler invoked by custom resource website-users. Creating database table.",
            "Handler 'create_handler' succeeded.",
            "Creation is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    stage.expect_status("Ready=True (Applied), Synced=True (Applied), 5 columns").await?;
    stage.psql(r"\d website_users").await?;
    stage.run(CONDITIONS).await?;
    let expected = format!("{SEED}, {KEY}");
    stage
        .expect_table("PostgreSQL has the table, with the five columns and the primary key", &expected)
        .await?;
    stage.end_step()
}

async fn fill(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("3. Somebody uses it")?;
    stage.screen.say("A row, as an application would write it. From now on, there is something to lose.")?;
    stage.psql("INSERT INTO website_users VALUES (1, 'Ada', 'ada@example.org')").await?;
    stage
        .expect_rows(
            "The row is there",
            "SELECT user_id, user_email FROM website_users",
            "1 | ada@example.org",
        )
        .await?;
    stage.end_step()
}

async fn add_column(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("4. A column is added")?;
    stage.screen.say(
        "The object changes, so the operator is called with the new state and adds what the table lacks. (`kubectl \
         edit databasetable website-users` does the same by hand.)",
    )?;
    patch(stage, r#"{"op": "add", "path": "/spec/columns/-", "value": {"COUNTRY": "varchar(2)"}}"#).await?;
    stage
        .hear(&[
            "Added to table public.website_users: country.",
            "Updating is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    stage.expect_status("Ready=True (Applied), Synced=True (Applied), 6 columns").await?;
    stage.psql("SELECT * FROM website_users").await?;
    stage.run(CONDITIONS).await?;
    stage.expect_table("The table has the column, the last one", &six_columns()).await?;
    expect_ada(stage, "The row is what it was").await?;
    stage.end_step()
}

async fn remove_column(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("5. A column is removed: refused")?;
    stage.screen.say(
        "USER_EMAIL (column 2, counted from 0) goes from the object. To follow would be to destroy data, so the \
         operator aborts the update, logs an error, and says in the status what to do.",
    )?;
    patch(stage, r#"{"op": "remove", "path": "/spec/columns/2"}"#).await?;
    stage
        .hear(&[
            "Handler 'update_handler' failed permanently: the update of table public.website_users is aborted",
            "Updating is processed: 0 succeeded; 1 failed.",
        ])
        .await?;
    stage.expect_status("Ready=False (UpdateAborted), Synced=False (UpdateAborted), 6 columns").await?;
    stage.run(CONDITIONS).await?;
    stage.psql("SELECT * FROM website_users").await?;
    stage.expect_table("The table has all six columns still", &six_columns()).await?;
    expect_ada(stage, "The row is there, with its e-mail address").await?;
    stage.end_step()
}

async fn put_back(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("6. The column is put back")?;
    stage.screen.say(
        "The operator compares the object with the table, finds nothing to do, and all is well again.",
    )?;
    patch(stage, r#"{"op": "add", "path": "/spec/columns/2", "value": {"USER_EMAIL": "varchar(100)"}}"#)
        .await?;
    stage.hear(&["Updating is processed: 1 succeeded; 0 failed."]).await?;
    stage.expect_status("Ready=True (Applied), Synced=True (Applied), 6 columns").await?;
    stage.run(CONDITIONS).await?;
    stage.expect_table("The table is what it was", &six_columns()).await?;
    expect_ada(stage, "So is the row").await?;
    stage.end_step()
}

async fn delete(stage: &mut Stage<'_>) -> Result<bool> {
    stage.screen.headline("7. The object is deleted")?;
    stage.screen.say(
        "A finalizer holds the object until the operator has dropped the table. So the command comes back when both \
         are gone.",
    )?;
    stage.run("kubectl delete databasetable website-users --timeout=30s").await?;
    stage
        .hear(&[
            "Delete handler invoked by custom resource website-users. Dropping database table.",
            "Deletion is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    stage.run("kubectl get databasetables").await?;
    stage.psql(r"\d").await?;
    stage.expect_no_object().await?;
    stage.expect_table("The table is gone from PostgreSQL", "no table").await?;
    stage.end_step()
}

/// A JSON patch (RFC 6902) in two lines: one would be too long.
async fn patch(stage: &mut Stage<'_>, operation: &str) -> Result<()> {
    stage
        .run(&format!("kubectl patch databasetable website-users --type=json --patch='\n  [{operation}]'"))
        .await
}

fn six_columns() -> String {
    format!("{SEED}, {COUNTRY}, {KEY}")
}

async fn expect_ada(stage: &mut Stage<'_>, what: &str) -> Result<()> {
    let query = "SELECT user_id, user_name, user_email, country FROM website_users";
    stage.expect_rows(what, query, "1 | Ada | ada@example.org | ").await
}

/// The last screen.
pub fn summary(screen: &Screen, checks: &Checks, took: Duration, kept: bool) -> io::Result<()> {
    let (held, failed, seconds) = (checks.held(), checks.failed(), took.as_secs_f32());
    screen.gap()?;
    if failed > 0 {
        let all = held + failed;
        return screen.failure(&format!("{failed} of {all} checks did not hold. Nothing is left running."));
    }
    screen.success(&format!("All {held} checks held, in {seconds:.1} s. Nothing is left running."))?;
    screen.gap()?;
    screen.say("Where to go from here:")?;
    if !kept {
        screen
            .output("  cargo demo -- --keep       the same, and all of it stays up for you to play with")?;
    }
    screen.output(
        "  README.md                  \"The table operator on your own cluster\", \"A first operator\"
  operator/README.md         what a DatabaseTable may say, and what becomes of it
  operator/src/handlers.rs   the three handlers that you have seen at work
  examples/                  small operators, one idea each",
    )
}
