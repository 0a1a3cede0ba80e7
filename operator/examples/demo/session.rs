//! The state of the walkthrough, and the actions that its steps are made of.

use crate::{
    Result, build, checks::Checks, database::DatabaseClient, object::TableObject, operator::OperatorProcess,
    patience::patiently, pauses::Pauses, screen::Screen, shell::Shell,
};
use korf_sandbox::{Sandbox, until_served};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Limit for one expected line of the operator's log.
const LIMIT: Duration = Duration::from_secs(30);

/// A running demo. Dropped in the order of its fields: the operator stops before the servers.
pub struct Session<'a> {
    pub screen: &'a Screen,
    pub checks: Checks,
    pub shell: Shell,
    /// Whether the user has ended the walkthrough before its last step.
    pub is_ended: bool,
    /// When everything was built.
    start: Instant,
    pauses: Pauses,
    operator: Option<OperatorProcess>,
    binary: PathBuf,
    object: TableObject,
    database: DatabaseClient,
    sandbox: Sandbox,
}

impl<'a> Session<'a> {
    /// Builds the operator and starts the servers.
    pub async fn start(screen: &'a Screen, pauses: Pauses) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the operator's package is in no workspace")?;
        screen.prose("\nBuilding the operator …")?;
        let binary = build::operator(workspace).await?;
        Sandbox::prepare().await?;
        screen.prose("\nStarting kube-apiserver, etcd and PostgreSQL …")?;
        let start = Instant::now();
        let sandbox = Sandbox::start().await?;
        let database = sandbox.postgres.create_database("demo").await?;
        screen.note(&format!("All three are ready after {:.1} s.", start.elapsed().as_secs_f32()))?;
        Ok(Self {
            screen,
            checks: Checks::default(),
            shell: Shell::new(workspace, &sandbox, &database)?,
            is_ended: false,
            start,
            pauses,
            operator: None,
            binary,
            object: TableObject::new(sandbox.control_plane.client().await?, "website-users"),
            database: DatabaseClient(database.connect().await?),
            sandbox,
        })
    }

    /// Shows a command, runs it, and shows its output.
    pub async fn run(&mut self, command: &str) -> Result<()> {
        self.screen.command(command)?;
        let output =
            patiently(self.screen, "waiting for the command to finish", self.shell.run(command)).await??;
        self.screen.output(output.text.trim_end())?;
        if output.status != "exit status: 0" {
            self.checks.equal("The command succeeds", "exit status: 0", &output.status);
        }
        Ok(())
    }

    /// Waits until the API server serves the kind. The command that people type for that, which is shown, may come too early.
    pub fn until_the_kind_is_served(&self) -> Result<()> {
        Ok(until_served(|| self.sandbox.control_plane.kubectl(), &["databasetables.kopf.demo"])?)
    }

    /// Shows and runs a psql command. Without psql on this machine, queries the database instead.
    pub async fn psql(&mut self, command: &str) -> Result<()> {
        if self.shell.has_psql {
            let quote = if command.contains('\'') { '"' } else { '\'' };
            return self.run(&format!("psql \"$DATABASE_URL\" -c {quote}{command}{quote}")).await;
        }
        self.screen.note(&format!("\nThere is no psql on this machine. The database has for {command}:"))?;
        Ok(self.screen.output(&self.database.emulate_psql(command).await?)?)
    }

    /// Starts the operator.
    pub fn start_operator(&mut self) -> Result<()> {
        let binary = self.binary.strip_prefix(&self.shell.folder).unwrap_or(&self.binary);
        let command = format!("{} run --namespace default", binary.display());
        self.screen.command(&command)?;
        self.operator = Some(OperatorProcess::start(&self.shell, &command)?);
        Ok(())
    }

    /// Shows the operator's log, and checks that it contains these texts, in this order.
    pub async fn expect_log(&mut self, expected: &[&str]) -> Result<()> {
        self.screen.gap()?;
        let mut last = "nothing".to_owned();
        for text in expected {
            let found = self.find_in_log(text, &mut last).await?;
            self.checks.equal(format!("Logged: {text}"), text, &found);
            if found != *text {
                break;
            }
        }
        while let Some(line) = self.operator.as_mut().and_then(OperatorProcess::buffered_line) {
            self.screen.log(&line)?;
        }
        Ok(())
    }

    /// Shows the log up to a line that contains `text`. Returns `text`, or why there is no such line.
    async fn find_in_log(&mut self, text: &str, last: &mut String) -> Result<String> {
        let Some(operator) = &mut self.operator else { return Ok("no operator".to_owned()) };
        let screen = self.screen;
        let search = async {
            while let Some(line) = operator.line().await {
                screen.log(&line)?;
                if line.contains(text) {
                    return Ok(text.to_owned());
                }
                *last = line;
            }
            Ok(format!("the operator has exited; its last line: {last}"))
        };
        let what = format!("waiting for the operator to log: {text}");
        match patiently(screen, &what, tokio::time::timeout(LIMIT, search)).await? {
            Ok(found) => found,
            Err(_) => Ok(format!("nothing of it in {} s; the last line: {last}", LIMIT.as_secs())),
        }
    }

    /// The next line of the operator's log; `None` once it has exited.
    pub async fn operator_line(&mut self) -> Option<String> {
        match &mut self.operator {
            Some(operator) => operator.line().await,
            None => None,
        }
    }

    /// Waits for the object's status to become as expected, and checks it.
    pub async fn expect_status(&mut self, expected: &str) -> Result<()> {
        let what = format!("waiting for the status: {expected}");
        let found = patiently(self.screen, &what, self.object.wait_for_status(expected)).await??;
        self.checks.equal(format!("The object's status: {expected}"), expected, &found);
        Ok(())
    }

    /// Checks that the object exists and has no status.
    pub async fn expect_no_status(&mut self) -> Result<()> {
        let found = self.object.status().await?;
        self.checks.equal("Kubernetes has stored the object, which has no status yet", "no status", &found);
        Ok(())
    }

    /// Checks that the object is gone.
    pub async fn expect_no_object(&mut self) -> Result<()> {
        let found =
            patiently(self.screen, "waiting for the object to disappear", self.object.wait_until_gone())
                .await??;
        self.checks.equal("The object is gone from Kubernetes", "gone", &found);
        Ok(())
    }

    /// Checks the table's columns and primary key, as PostgreSQL's catalog has them.
    pub async fn expect_table(&mut self, claim: &str, expected: &str) -> Result<()> {
        let found = self.database.table("website_users").await?;
        self.checks.equal(claim, expected, &found);
        Ok(())
    }

    /// Checks the rows that a query returns.
    pub async fn expect_rows(&mut self, claim: &str, query: &str, expected: &str) -> Result<()> {
        let found = self.database.rows(query).await?;
        self.checks.equal(claim, expected, &found);
        Ok(())
    }

    /// Ends a step: shows its checks. Returns whether the walkthrough can continue.
    pub fn end_step(&mut self) -> Result<bool> {
        self.checks.show(self.screen)
    }

    /// Pauses between two steps. Returns whether the walkthrough can continue.
    pub async fn pause(&mut self) -> Result<bool> {
        self.screen.gap()?;
        self.is_ended = !self.pauses.pause(self.screen).await?;
        Ok(!self.is_ended)
    }

    /// The time since everything was built, without the pauses.
    pub fn took(&self) -> Duration {
        self.start.elapsed().saturating_sub(self.pauses.total())
    }

    /// Stops the operator, and shows the rest of its log.
    pub async fn stop_operator(&mut self) -> Result<()> {
        let Some(mut operator) = self.operator.take() else { return Ok(()) };
        self.screen.gap()?;
        operator.ask_to_stop();
        let screen = self.screen;
        let last_lines = async {
            while let Some(line) = operator.line().await {
                screen.log(&line)?;
            }
            Ok::<_, std::io::Error>(())
        };
        patiently(screen, "waiting for the operator to exit", last_lines).await??;
        let status = operator.wait()?.to_string();
        self.checks.equal("The operator exits cleanly on SIGTERM", "exit status: 0", &status);
        self.end_step()?;
        Ok(())
    }

    /// Stops the servers.
    pub fn close(self) -> Result<Checks> {
        let Self { checks, sandbox, database, screen, .. } = self;
        screen.note("\nStopping kube-apiserver, etcd and PostgreSQL …")?;
        drop(database);
        drop(sandbox);
        Ok(checks)
    }
}
