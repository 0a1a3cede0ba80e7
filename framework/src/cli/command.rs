//! Command of a program's own, beside those of each operator.

use super::Program;
use clap::{ArgMatches, Command, Parser};
use std::{fmt, process::ExitCode};

type Run = Box<dyn FnOnce(&ArgMatches) -> ExitCode>;

/// A command of a program's own.
pub(super) struct OwnCommand {
    pub command: Command,
    pub run: Run,
}

impl Program {
    /// Adds a command of the program's own. `C` describes it, and its name is that of `C`; it can't be that of another command.
    ///
    /// It runs within a tokio runtime, and without the operator's log: what it has to say goes to the standard output, and mistakes
    /// to the standard error. Where the command line is wrong, the exit code is 2, as that of the other commands.
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
            Err(error) => super::misused(&error),
        };
        self.commands.push(OwnCommand { command: C::command(), run: Box::new(run) });
        self
    }
}

impl fmt::Debug for OwnCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnCommand").field(&self.command.get_name()).finish()
    }
}
