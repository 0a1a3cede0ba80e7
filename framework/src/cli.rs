//! Command line of an operator: `run`, `check`, `explain`, `manifests`, `crd`, `handlers`, `settings`, `freeze` and `resume`.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     korf::cli::main("greeter")
//! }
//! ```
//!
//! Instead of a name, it takes an [`Operator`], or a [`Program`] with a version and a description.
//!
//! [`main_with`] adds options to `run`, and a set-up that may fail:
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
//!     korf::cli::main_with(korf::cli::program!(), set_up)
//! }
//! ```
//!
//! [`Program::command`] adds commands of the program's own.
//!
//! Options can also be given by environment variables, which `--help` names; an empty one counts as unset.
//!
//! The exit code is 0 if the operator was told to stop, 1 if something failed, and 2 if the command line is wrong.

mod arguments;
mod check;
mod command;
mod crd;
mod explain;
mod handlers;
mod health;
mod installation;
mod leases;
mod manifests;
mod peering;
mod program;
mod run;
mod settings;
#[cfg(test)]
mod tests;

pub use check::{Checks, Finding};
pub use installation::Installation;
pub use program::{Program, program};

use crate::operator::Operator;
use arguments::{Action, Arguments, NoOptions, Parsed};
use command::USAGE;
use std::{
    convert::Infallible,
    error::Error,
    ffi::OsString,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};
use tokio::runtime::Runtime;

/// The whole `main` of an operator.
///
/// ```no_run
/// use korf::{Operator, cli};
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     cli::main(Operator::new("greeter").state(String::from("hello")))
/// }
/// ```
pub fn main(program: impl Into<Program>) -> ExitCode {
    main_with(program, async |operator: Operator, _: NoOptions| Ok::<_, Infallible>(operator))
}

/// The whole `main` of an operator with options of its own: `set_up` finishes it, for the command `run` alone.
///
/// What other commands have to know belongs into [`Program::operator`]: names, and where state is stored, which
/// `explain` reads.
///
/// Where `set_up` fails, its error is the last line of the log.
pub fn main_with<O, E>(
    program: impl Into<Program>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    main_with_checks(program, set_up, async |_, _: &Checks| {})
}

/// The same with checks of its own for the command `check`: whether a database can be reached with these options, say.
///
/// ```no_run
/// use korf::{Operator, cli::{self, Checks, Finding}};
/// use std::{convert::Infallible, process::ExitCode};
///
/// #[derive(clap::Args)]
/// struct Options {
///     /// The folder with the templates
///     #[arg(long, default_value = "templates")]
///     templates: std::path::PathBuf,
/// }
///
/// async fn set_up(operator: Operator, options: Options) -> Result<Operator, Infallible> {
///     Ok(operator.state(options.templates))
/// }
///
/// async fn check(options: Options, checks: &Checks) {
///     let path = options.templates.display();
///     checks.report(if options.templates.is_dir() {
///         Finding::fine("templates", format!("{path} is there"))
///     } else {
///         Finding::failed("templates", format!("there is no folder {path}: correct --templates"))
///     });
/// }
///
/// fn main() -> ExitCode {
///     cli::main_with_checks(cli::program!(), set_up, check)
/// }
/// ```
pub fn main_with_checks<O, E>(
    program: impl Into<Program>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
    check: impl AsyncFnOnce(O, &Checks),
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    answer(program.into(), std::env::args_os(), set_up, check)
}

fn answer<O, E>(
    mut program: Program,
    line: impl IntoIterator<Item = OsString>,
    set_up: impl AsyncFnOnce(Operator, O) -> Result<Operator, E>,
    check: impl AsyncFnOnce(O, &Checks),
) -> ExitCode
where
    O: clap::Args,
    E: Into<Box<dyn Error>>,
{
    let line: Vec<_> = line.into_iter().collect();
    let arguments = match Arguments::<O>::parse(&program, line.iter().cloned()) {
        Ok(Parsed::Common(arguments)) => arguments,
        Ok(Parsed::Own(number, matches)) => return (program.commands.swap_remove(number).run)(&matches),
        Err(error) => {
            let own = program
                .commands
                .iter()
                .find(|own| line.get(1).is_some_and(|word| word == own.command.get_name()));
            return misused(&error, own.map_or(USAGE, |own| own.misused));
        }
    };
    match arguments.action {
        Action::Run(options) => run::run(program, options, set_up),
        Action::Check(options) => check::check(program, options, check),
        Action::Explain(options) => explain::print(program.operator, &options),
        Action::Crd => written(crd::print(program.operator.registry(), &mut io::stdout(), &mut io::stderr())),
        Action::Manifests(options) => {
            let printed = manifests::print(&program, &options, &mut io::stdout(), &mut io::stderr());
            written(printed)
        }
        Action::Handlers => written(handlers::print(program.operator.registry(), &mut io::stdout())),
        Action::Settings => match settings::of_environment(program.operator.settings_mut().clone()) {
            Ok(settings) => written(settings::print(&settings, &mut io::stdout())),
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error}");
                ExitCode::from(2)
            }
        },
        Action::Freeze(options) => done(peering::freeze(program, options)),
        Action::Resume(options) => done(peering::resume(program, options)),
    }
}

/// Prints help, or what is wrong with the command line, which has this exit code.
fn misused(error: &clap::Error, code: u8) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(code) } else { ExitCode::SUCCESS }
}

/// Does the work of a command that runs for a moment.
fn in_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match Runtime::new() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            // A credential plugin that hangs must not keep the process alive.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn done(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
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
