//! Everything that the steps of the walk act on, and the few things that they do.

use crate::{
    Result, build, checks::Checks, cluster::Table, database::Database, operator::Operator,
    patience::patiently, screen::Screen, shell::Shell,
};
use korf_sandbox::Sandbox;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long the operator may take for a line of its log.
const LIMIT: Duration = Duration::from_secs(30);

/// The stage of the walk. Its parts end in this order: the operator before the servers.
pub struct Stage<'a> {
    pub screen: &'a Screen,
    pub checks: Checks,
    pub shell: Shell,
    operator: Option<Operator>,
    binary: PathBuf,
    object: Table,
    database: Database,
    sandbox: Sandbox,
}

impl<'a> Stage<'a> {
    /// Builds the operator and starts the servers.
    pub async fn set(screen: &'a Screen) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
        screen.say("\nBuilding the operator …")?;
        let binary = build::operator(workspace).await?;
        screen.say("\nStarting kube-apiserver, etcd and PostgreSQL …")?;
        let start = Instant::now();
        let sandbox = Sandbox::start().await?;
        let database = sandbox.postgres.create_database("demo").await?;
        screen.note(&format!("They are ready after {:.1} s.", start.elapsed().as_secs_f32()))?;
        Ok(Self {
            screen,
            checks: Checks::default(),
            shell: Shell::new(workspace, &sandbox, &database)?,
            operator: None,
            binary,
            object: Table::new(sandbox.control_plane.client().await?, "website-users"),
            database: Database(database.connect().await?),
            sandbox,
        })
    }

    /// Shows a command, runs it, and shows what it said.
    pub async fn run(&mut self, command: &str) -> Result<()> {
        self.screen.command(command)?;
        let answer =
            patiently(self.screen, "waiting for the command to end", self.shell.run(command)).await??;
        self.screen.output(answer.text.trim_end())?;
        if answer.status != "exit status: 0" {
            self.checks.equal("The command succeeds", "exit status: 0", &answer.status);
        }
        Ok(())
    }

    /// The same for psql and one command of it; where there is no psql, what it would have said.
    pub async fn psql(&mut self, command: &str) -> Result<()> {
        if self.shell.has_psql {
            let quote = if command.contains('\'') { '"' } else { '\'' };
            return self.run(&format!("psql \"$DATABASE_URL\" -c {quote}{command}{quote}")).await;
        }
        self.screen
            .note(&format!("\nThere is no psql on this machine. The database's answer to {command}:"))?;
        Ok(self.screen.output(&self.database.instead_of_psql(command).await?)?)
    }

    /// Starts the operator.
    pub fn start_operator(&mut self) -> Result<()> {
        let binary = self.binary.strip_prefix(&self.shell.folder).unwrap_or(&self.binary);
        let command = format!("{} run --namespace default", binary.display());
        self.screen.command(&command)?;
        self.operator = Some(Operator::start(&self.shell, &command)?);
        Ok(())
    }

    /// Shows the operator's log until it has had these lines, in this order.
    pub async fn hear(&mut self, expected: &[&str]) -> Result<()> {
        self.screen.gap()?;
        let mut last = "nothing".to_owned();
        let mut waiting = expected.iter();
        for words in waiting.by_ref() {
            let found = self.hear_one(words, &mut last).await?;
            self.checks.equal(format!("Logged: {words}"), words, &found);
            if found != *words {
                break;
            }
        }
        while let Some(line) = self.operator.as_mut().and_then(Operator::waiting_line) {
            self.screen.log(&line)?;
        }
        Ok(())
    }

    async fn hear_one(&mut self, words: &str, last: &mut String) -> Result<String> {
        let Some(operator) = &mut self.operator else { return Ok("no operator".to_owned()) };
        let screen = self.screen;
        let heard = async {
            while let Some(line) = operator.line().await {
                screen.log(&line)?;
                if line.contains(words) {
                    return Ok(words.to_owned());
                }
                *last = line;
            }
            Ok(format!("the operator has ended, after: {last}"))
        };
        let what = format!("waiting for the operator to log: {words}");
        match patiently(screen, &what, tokio::time::timeout(LIMIT, heard)).await? {
            Ok(found) => found,
            Err(_) => Ok(format!("after {} s, the last line is: {last}", LIMIT.as_secs())),
        }
    }

    /// The next line of the operator's log; none when it has ended.
    pub async fn operator_line(&mut self) -> Option<String> {
        match &mut self.operator {
            Some(operator) => operator.line().await,
            None => None,
        }
    }

    /// Waits for the object's status, and checks it.
    pub async fn expect_status(&mut self, expected: &str) -> Result<()> {
        let what = format!("waiting for the status: {expected}");
        let found = patiently(self.screen, &what, self.object.status_once(expected)).await??;
        self.checks.equal(format!("The object: {expected}"), expected, &found);
        Ok(())
    }

    /// Checks that the object is there and nobody has written a status.
    pub async fn expect_no_status(&mut self) -> Result<()> {
        let found = self.object.status().await?;
        self.checks.equal("Kubernetes has the object, and nobody has given it a status", "no status", &found);
        Ok(())
    }

    /// Checks that the object is gone.
    pub async fn expect_no_object(&mut self) -> Result<()> {
        let found = patiently(self.screen, "waiting for the object to go", self.object.gone()).await??;
        self.checks.equal("The object is gone from Kubernetes", "gone", &found);
        Ok(())
    }

    /// Checks the columns and the primary key that the catalog has for the table.
    pub async fn expect_table(&mut self, what: &str, expected: &str) -> Result<()> {
        let found = self.database.table("website_users").await?;
        self.checks.equal(what, expected, &found);
        Ok(())
    }

    /// Checks the rows of a query.
    pub async fn expect_rows(&mut self, what: &str, query: &str, expected: &str) -> Result<()> {
        let found = self.database.rows(query).await?;
        self.checks.equal(what, expected, &found);
        Ok(())
    }

    /// Ends a step: shows its checks. Whether the walk can go on.
    pub fn end_step(&mut self) -> Result<bool> {
        self.checks.show(self.screen)
    }

    /// Lets the operator end, and shows its last lines.
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
        patiently(screen, "waiting for the operator to end", last_lines).await??;
        let status = operator.end()?.to_string();
        self.checks.equal("The operator ends when it is told to (SIGTERM)", "exit status: 0", &status);
        self.end_step()?;
        Ok(())
    }

    /// Ends the servers.
    pub fn close(self) -> Result<Checks> {
        let Self { checks, sandbox, database, screen, .. } = self;
        screen.note("\nStopping kube-apiserver, etcd and PostgreSQL …")?;
        drop(database);
        drop(sandbox);
        Ok(checks)
    }
}
