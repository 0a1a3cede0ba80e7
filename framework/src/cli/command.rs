//! Command of a program's own, beside those of each operator.

use super::Program;
use clap::{ArgMatches, Command, Parser};
use std::{fmt, process::ExitCode};

/// The exit code of a wrong command line.
pub(super) const USAGE: u8 = 2;

type Run = Box<dyn FnOnce(&ArgMatches) -> ExitCode>;

/// A command of a program's own.
pub(super) struct OwnCommand {
    pub command: Command,
    pub run: Run,
    /// The exit code where its command line is wrong.
    pub misused: u8,
}

impl Program {
    /// Adds a command of the program's own. `C` describes it, and its name is that of `C`; it can't be that of another command.
    ///
    /// It runs within a tokio runtime, and without the operator's log: what it has to say goes to the standard output, and mistakes
    /// to the standard error. Where the command line is wrong, the exit code is 2, as that of the other commands, unless
    /// [`misused`](Self::misused) says otherwise.
    ///
    /// ```no_run
    /// use korf::cli;
    /// use std::process::ExitCode;
    ///
    /// /// Say whether the database can be reached
    /// #[derive(clap::Parser)]
    /// #[command(name = "check")]
    /// struct Check {
    ///     /// The database
    ///     #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    ///     database_url: String,
    /// }
    ///
    /// async fn check(options: Check) -> ExitCode {
    ///     println!("{} characters", options.database_url.len());
    ///     ExitCode::SUCCESS
    /// }
    ///
    /// fn main() -> ExitCode {
    ///     cli::main(cli::program!().command(check))
    /// }
    /// ```
    #[must_use]
    pub fn command<C: Parser>(mut self, run: impl AsyncFnOnce(C) -> ExitCode + 'static) -> Self {
        let run = |matches: &ArgMatches| match C::from_arg_matches(matches) {
            Ok(options) => super::in_runtime(run(options)),
            Err(error) => super::misused(&error, USAGE),
        };
        self.commands.push(OwnCommand { command: C::command(), run: Box::new(run), misused: USAGE });
        self
    }

    /// The exit code of the [command](Self::command) that was added last where its command line is wrong, for one to which 2 means
    /// something else: there are differences, say.
    ///
    /// ```
    /// use korf::cli;
    /// use std::process::ExitCode;
    ///
    /// /// Compare two files. The exit code is 2 if they differ
    /// #[derive(clap::Parser)]
    /// #[command(name = "diff")]
    /// struct Diff {
    ///     one: std::path::PathBuf,
    ///     other: std::path::PathBuf,
    /// }
    ///
    /// let program = cli::program!().command(async |_: Diff| ExitCode::from(2)).misused(64);
    /// # let _ = program;
    /// ```
    #[must_use]
    pub fn misused(mut self, code: u8) -> Self {
        if let Some(last) = self.commands.last_mut() {
            last.misused = code;
        }
        self
    }
}

impl fmt::Debug for OwnCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnCommand").field(&self.command.get_name()).finish()
    }
}
