//! The command line that every operator gets without writing it: `run`, `crd` and `handlers`.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     korf::cli::main(korf::program!(), |operator| operator.state(String::from("hello")))
//! }
//! ```
//!
//! With options of its own, which `run` then has, and a set-up that may fail:
//!
//! ```no_run
//! use korf::Operator;
//! use std::{num::ParseIntError, process::ExitCode};
//!
//! #[derive(clap::Args)]
//! struct Options {
//!     /// The database in which the tables are.
//!     #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
//!     database_url: String,
//! }
//!
//! async fn set_up(operator: Operator, options: Options) -> Result<Operator, ParseIntError> {
//!     Ok(operator.state(options.database_url))
//! }
//!
//! fn main() -> ExitCode {
//!     korf::cli::main_with(korf::program!(), set_up)
//! }
//! ```
//!
//! Options that are not on the command line can be given by variables (`--help` names them); an empty one counts as unset.
//!
//! The process ends with 0 when it was told to stop, with 1 when something failed, and with 2 when its command
//! line is wrong.

mod arguments;
mod crd;
mod handlers;
mod program;
mod run;
#[cfg(test)]
mod tests;

pub use program::Program;

use crate::operator::Operator;
use arguments::{Action, Arguments, NoOptions};
use std::{
    convert::Infallible,
    error::Error,
    ffi::OsString,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// The whole `main` of an operator: what `set_up` adds to it is for `run` alone.
pub fn main(program: impl Into<Program>, set_up: impl FnOnce(Operator) -> Operator) -> ExitCode {
    main_with(program, async |operator: Operator, _: NoOptions| Ok::<_, Infallible>(set_up(operator)))
}

/// The whole `main` of an operator with options of its own.
///
/// Where `set_up` fails, its error is what the operator says before it ends.
pub fn main_with<O, E>(
    program: impl Into<Program>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    answer(program.into(), std::env::args_os(), set_up)
}

fn answer<O, E>(
    program: Program,
    line: impl IntoIterator<Item = OsString>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    let arguments = match Arguments::<O>::parse(&program, line) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match arguments.action {
        Action::Run(options) => run::run(program, options, set_up),
        Action::Crd => {
            written(crd::print(program.operator().registry(), &mut io::stdout(), &mut io::stderr()))
        }
        Action::Handlers => written(handlers::print(program.operator().registry(), &mut io::stdout())),
    }
}

/// A reader that has seen enough (`| head`) is no failure.
fn written(result: io::Result<()>) -> ExitCode {
    match result.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: the output can't be written: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
