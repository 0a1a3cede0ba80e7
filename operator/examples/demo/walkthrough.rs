//! The steps of the walkthrough: those of the Kopf demo's README, then more.

use crate::{Result, checks::Checks, screen::Screen, session::Session};
use std::{io, time::Duration};

const KEY: &str = "PRIMARY KEY (user_id)";
const FIVE_COLUMNS: &str = "user_id integer, user_name character varying(50), user_email character varying(100), \
                            signup_date date, last_login timestamp without time zone";
const COUNTRY: &str = "country character varying(2)";
const TABLE: &str = "kubectl get dbt website-users";
const MESSAGE: &str =
    r#"kubectl get dbt website-users -o jsonpath='{.status.conditions[?(@.type=="Synced")].message}'"#;

pub fn introduction(screen: &Screen) -> io::Result<()> {
    screen.headline("One PostgreSQL table for every DatabaseTable")?;
    screen.prose(
        "database-table-operator watches objects of the kind DatabaseTable in Kubernetes, and creates a table in \
         PostgreSQL for each of them. This demo follows one such object through its life, on a real API server and a \
         real database. Lines that begin with $ are commands that you could type yourself. Each step ends with its checks.",
    )
}

/// Runs all steps, up to the first one with a failed check. With `keep`, the object is not deleted.
pub async fn run(session: &mut Session<'_>, keep: bool) -> Result<()> {
    // Not a loop over a list: the functions are async, so that would be longer.
    let _ = define(session).await?
        && session.pause().await?
        && create(session).await?
        && session.pause().await?
        && fill(session).await?
        && session.pause().await?
        && add_column(session).await?
        && session.pause().await?
        && remove_column(session).await?
        && session.pause().await?
        && put_back(session).await?
        && (keep || session.pause().await? && delete(session).await?);
    Ok(())
}

async fn define(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("1. Define a kind and create an object")?;
    session.screen.prose(
        "A custom resource definition (CRD) teaches Kubernetes a new kind. From then on, it accepts objects of that \
         kind. No operator is running yet, so Kubernetes stores the object and nothing else happens.",
    )?;
    session.run("kubectl apply -f operator/manifests/crd.yaml").await?;
    session.until_the_kind_is_served()?;
    session
        .run("kubectl wait --for=condition=Established --timeout=30s crd/databasetables.kopf.demo")
        .await?;
    session.run("cat operator/manifests/kopf-demo-cr.yaml").await?;
    session.run("kubectl apply -f operator/manifests/kopf-demo-cr.yaml").await?;
    session.psql(r"\d").await?;
    session.expect_no_status().await?;
    session.expect_table("PostgreSQL has no table website_users yet", "no table").await?;
    session.end_step()
}

async fn create(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("2. The operator creates the table")?;
    session.screen.prose(
        "Once started, the operator finds the object, creates the table, and reports that in the object's status.",
    )?;
    session.start_operator()?;
    session
        .expect_log(&[
            "Create handler invoked by custom resource website-users. Creating database table.",
            "Handler 'create_handler' succeeded.",
            "Creation is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    session.expect_status("Ready=True (Applied), Synced=True (Applied), 5 columns").await?;
    session.psql(r"\d website_users").await?;
    session.run(TABLE).await?;
    let expected = format!("{FIVE_COLUMNS}, {KEY}");
    session
        .expect_table("PostgreSQL has the table, with its five columns and the primary key", &expected)
        .await?;
    session.end_step()
}

async fn fill(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("3. An application stores data")?;
    session.screen.prose("A row, as an application would insert it. From now on, there is data to lose.")?;
    session.psql("INSERT INTO website_users VALUES (1, 'Ada', 'ada@example.org')").await?;
    session
        .expect_rows(
            "The table has the row",
            "SELECT user_id, user_email FROM website_users",
            "1 | ada@example.org",
        )
        .await?;
    session.end_step()
}

async fn add_column(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("4. Add a column")?;
    session.screen.prose(
        "The object changes, so the operator's update handler is called and adds the missing column. (You could make \
         the same change with `kubectl edit dbt website-users`.)",
    )?;
    patch(session, r#"{"op": "add", "path": "/spec/columns/-", "value": {"COUNTRY": "varchar(2)"}}"#).await?;
    session
        .expect_log(&[
            "Added to table public.website_users: country.",
            "Updating is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    session.expect_status("Ready=True (Applied), Synced=True (Applied), 6 columns").await?;
    session.psql("SELECT * FROM website_users").await?;
    session.run(TABLE).await?;
    session.expect_table("The table has the new column, as its last one", &six_columns()).await?;
    expect_ada(session, "The row is unchanged").await?;
    session.end_step()
}

async fn remove_column(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("5. Remove a column: rejected")?;
    session.screen.prose(
        "USER_EMAIL (index 2) is removed from the object. Dropping the column would destroy data, so the operator \
         aborts the update, logs an error, and explains in the status what to do.",
    )?;
    patch(session, r#"{"op": "remove", "path": "/spec/columns/2"}"#).await?;
    session
        .expect_log(&[
            "Handler 'update_handler' failed permanently: the update of table public.website_users is aborted",
            "Updating is processed: 0 succeeded; 1 failed.",
        ])
        .await?;
    session.expect_status("Ready=False (UpdateAborted), Synced=False (UpdateAborted), Stalled=True (UpdateAborted), 6 columns").await?;
    session.run(TABLE).await?;
    session.run(MESSAGE).await?;
    session.psql("SELECT * FROM website_users").await?;
    session.expect_table("The table still has all six columns", &six_columns()).await?;
    expect_ada(session, "The row still has its e-mail address").await?;
    session.end_step()
}

async fn put_back(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("6. Put the column back")?;
    session.screen.prose(
        "The operator compares the object with the table, finds that they match, and reports the table as ready again.",
    )?;
    patch(session, r#"{"op": "add", "path": "/spec/columns/2", "value": {"USER_EMAIL": "varchar(100)"}}"#)
        .await?;
    session.expect_log(&["Updating is processed: 1 succeeded; 0 failed."]).await?;
    session.expect_status("Ready=True (Applied), Synced=True (Applied), 6 columns").await?;
    session.run(TABLE).await?;
    session.expect_table("The table is unchanged", &six_columns()).await?;
    expect_ada(session, "So is the row").await?;
    session.end_step()
}

async fn delete(session: &mut Session<'_>) -> Result<bool> {
    session.screen.headline("7. Delete the object")?;
    session.screen.prose(
        "A finalizer keeps the object until the operator has dropped the table, so the command returns once both are \
         gone.",
    )?;
    session.run("kubectl delete dbt website-users --timeout=30s").await?;
    session
        .expect_log(&[
            "Delete handler invoked by custom resource website-users. Dropping database table.",
            "Deletion is processed: 1 succeeded; 0 failed.",
        ])
        .await?;
    session.run("kubectl get dbt").await?;
    session.psql(r"\d").await?;
    session.expect_no_object().await?;
    session.expect_table("The table is gone from PostgreSQL", "no table").await?;
    session.end_step()
}

/// Applies a JSON patch (RFC 6902). On two lines, because one would be too long.
async fn patch(session: &mut Session<'_>, operation: &str) -> Result<()> {
    session.run(&format!("kubectl patch dbt website-users --type=json --patch='\n  [{operation}]'")).await
}

fn six_columns() -> String {
    format!("{FIVE_COLUMNS}, {COUNTRY}, {KEY}")
}

async fn expect_ada(session: &mut Session<'_>, claim: &str) -> Result<()> {
    let query = "SELECT user_id, user_name, user_email, country FROM website_users";
    session.expect_rows(claim, query, "1 | Ada | ada@example.org | ").await
}

/// Shows the result, and what to read next. `took` is the time of the steps alone.
pub fn summary(
    screen: &Screen,
    checks: &Checks,
    took: Duration,
    kept: bool,
    is_ended: bool,
) -> io::Result<()> {
    let (passed, failed, seconds) = (checks.passed(), checks.failed(), took.as_secs_f32());
    screen.gap()?;
    if failed > 0 {
        let all = passed + failed;
        return screen.failure(&format!("{failed} of {all} checks failed. Nothing is left running."));
    }
    let which = if is_ended { format!("The {passed} checks so far") } else { format!("All {passed} checks") };
    screen.success(&format!("{which} passed in {seconds:.1} s. Nothing is left running."))?;
    screen.gap()?;
    screen.prose("What next:")?;
    if !kept {
        screen.output(
            "  cargo demo -- --keep       the same, but everything keeps running for you to try things",
        )?;
    }
    screen.output(
        "  README.md                  an operator of your own, in a few lines
  operator/README.md         the reference of DatabaseTable and its operator
  operator/src/handlers.rs   the three handlers that you have seen at work
  examples/                  small operators, each of which shows one idea",
    )
}
