//! The command line.

use super::{
    Program,
    check::Check,
    explain::Output,
    health::Health,
    leases::Leases,
    manifests::Manifests,
    peering::{Freeze, Peering, Resume, with_places},
};
use crate::{
    core::namespaces::{InvalidNamespaces, NamespaceList, NamespaceSet},
    logging::{Format, Logging, Verbosity},
    settings::{InvalidSetting, Settings},
};
use clap::{
    ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::{FalseyValueParser, Resettable},
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{env, ffi::OsString};

/// No options of the operator's own.
#[derive(Debug, clap::Args)]
pub(super) struct NoOptions {}

#[derive(Parser)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Arguments<O: clap::Args> {
    #[command(subcommand)]
    pub action: Action<O>,
}

/// A command line.
pub(super) enum Parsed<O: clap::Args> {
    /// A command that each operator has.
    Common(Arguments<O>),
    /// The program's own command of this number, with what it was given.
    Own(usize, ArgMatches),
}

#[derive(Subcommand)]
pub(super) enum Action<O: clap::Args> {
    /// Handle objects until SIGTERM or Ctrl-C
    ///
    /// The cluster is that of the kubeconfig's current context (KUBECONFIG, ~/.kube/config), or else the one in
    /// which the pod runs. On SIGTERM or Ctrl-C, handlers that run are given time to finish; what they have done
    /// so far is stored on the objects, and the next start goes on from there.
    Run(#[command(flatten)] Run<O>),
    /// Look whether the operator can run: API server, namespaces, kinds, permissions, and what the program itself needs
    ///
    /// Each thing is a line, which says what to do where it isn't as it should be. Nothing is changed. The exit code is 0 if
    /// nothing has failed, 1 if something has, and 2 if the command line is wrong.
    Check(#[command(flatten)] Check<O>),
    /// Say what the operator thinks of an object: what has changed since it was handled, where each handler stands, what
    /// holds its deletion, and which replica has it
    ///
    /// It reads the object and its Lease, and writes nothing; the operator needn't run. The exit code is 0 if it was
    /// explained, 1 if it isn't found or can't be read, and 2 if the command line is wrong.
    Explain(Explain),
    /// Print the definitions of the operator's own kinds, for `kubectl apply -f -`
    Crd,
    /// Print all that the operator needs to run in a cluster, for `kubectl apply -f -`
    ///
    /// The definitions of its own kinds, a ServiceAccount with the permissions that its handlers need and no others, a
    /// Deployment and a NetworkPolicy.
    Manifests(Manifests),
    /// List what is registered: kind, reason, id, options and place in the source
    Handlers,
    /// List the settings of `run`, with their values and the variables that set them
    Settings,
    /// Ask the operators of a peering to pause, those of Kopf, too
    Freeze(Freeze),
    /// End what `freeze` has asked for
    Resume(Resume),
}

#[derive(clap::Args)]
pub(super) struct Run<O: clap::Args> {
    #[command(flatten)]
    pub namespaces: Namespaces,
    #[command(flatten)]
    pub peering: Peering,
    #[command(flatten)]
    pub health: Health,
    #[command(flatten)]
    pub leases: Leases,
    /// Change a limit, a delay or a size; may be repeated. The command `settings` lists them
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub own: O,
}

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The kind, as kubectl takes it: kind, plural or short name, with the group where it is needed
    pub kind: String,
    /// The name of the object
    pub name: String,
    /// The object's namespace; by default that of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The namespace of the operator's Leases; by default that of the pod, or of the kubeconfig's context
    #[arg(long, value_name = "NAMESPACE", env = "KORF_RUN_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// The form of the explanation
    #[arg(short, long, value_name = "FORM", default_value = "text", ignore_case = true)]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Namespaces {
    /// Handle the objects of this namespace; may be repeated, and be a list with globs: team-*,!team-x
    ///
    /// `*` stands for any characters, `?` for one. A part with `!` takes out what the parts before it have let in; where
    /// it is the first one, all others are in. Namespaces that fit a glob are served as they come and go; for that, the
    /// operator has to be allowed to list and watch namespaces.
    #[arg(short, long = "namespace", value_name = "NAMESPACE", env = "KORF_RUN_NAMESPACE")]
    #[arg(value_parser = namespaces)]
    pub named: Vec<String>,
    /// Handle the objects of all namespaces
    #[arg(short = 'A', long = "all-namespaces", env = "KORF_RUN_ALL_NAMESPACES")]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub all: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    /// The form of log lines
    #[arg(
        long,
        value_name = "FORMAT",
        env = "KORF_RUN_LOG_FORMAT",
        default_value = "full",
        ignore_case = true
    )]
    pub log_format: Format,
    /// Log what the operator does in detail
    #[arg(short, long, env = "KORF_RUN_VERBOSE")]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub verbose: bool,
    /// Log what libraries do, too; RUST_LOG chooses more finely
    #[arg(short, long, env = "KORF_RUN_DEBUG")]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub debug: bool,
    /// Log warnings and errors only
    #[arg(short, long, env = "KORF_RUN_QUIET")]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
}

impl Namespaces {
    fn contradiction(&self) -> Option<String> {
        if self.all && !self.named.is_empty() {
            return Some("either --namespace or --all-namespaces can be used, not both".to_owned());
        }
        NamespaceSet::parse(&self.named).err().map(|error| error.to_string())
    }
}

impl Logs {
    pub fn logging(&self) -> Logging {
        let verbosity = match (self.debug, self.verbose, self.quiet) {
            (true, _, _) => Verbosity::Debug,
            (_, true, _) => Verbosity::Verbose,
            (_, _, true) => Verbosity::Quiet,
            _ => Verbosity::Normal,
        };
        Logging { format: self.log_format, verbosity }
    }
}

impl<O: clap::Args> Action<O> {
    fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Check(_) => "check",
            Self::Explain(_) => "explain",
            Self::Crd => "crd",
            Self::Manifests(_) => "manifests",
            Self::Handlers => "handlers",
            Self::Settings => "settings",
            Self::Freeze(_) => "freeze",
            Self::Resume(_) => "resume",
        }
    }
}

impl<O: clap::Args> Arguments<O> {
    pub fn parse(
        program: &Program,
        line: impl IntoIterator<Item = OsString>,
    ) -> Result<Parsed<O>, clap::Error> {
        let own = || program.commands.iter().map(|own| &own.command);
        let mut command = with_places(Self::command())
            .name(program.operator.name().to_owned())
            .subcommands(own())
            .mut_subcommands(without_empty_variables);
        if !program.version.is_empty() {
            command = command.version(program.version);
        }
        if !program.about.is_empty() {
            command = command.about(program.about);
        }
        let matches = command.try_get_matches_from_mut(line).map_err(discreet)?;
        if let Some((name, given)) = matches.subcommand()
            && let Some(number) = own().position(|command| command.get_name() == name)
        {
            return Ok(Parsed::Own(number, given.clone()));
        }
        let arguments = Self::from_arg_matches(&matches)?;
        // By hand: clap takes a variable that says `false` for a flag that was given.
        match arguments.contradiction() {
            None => Ok(Parsed::Common(arguments)),
            Some(message) => {
                let given = command
                    .find_subcommand_mut(arguments.action.name())
                    .map(|given| given.error(ErrorKind::ArgumentConflict, &message));
                Err(given.unwrap_or_else(|| command.error(ErrorKind::ArgumentConflict, &message)))
            }
        }
    }

    fn contradiction(&self) -> Option<String> {
        let Run { namespaces, peering, health, logs, .. } = match &self.action {
            Action::Run(run) => run,
            Action::Check(check) => return check.namespaces.contradiction(),
            Action::Manifests(manifests) => return manifests.contradiction(),
            Action::Freeze(Freeze { namespaces, .. }) | Action::Resume(Resume { namespaces, .. }) => {
                return namespaces.contradiction();
            }
            Action::Explain(_) | Action::Crd | Action::Handlers | Action::Settings => return None,
        };
        if let Some(contradiction) = namespaces.contradiction() {
            return Some(contradiction);
        }
        if let Some(contradiction) = peering.contradiction() {
            return Some(contradiction.to_owned());
        }
        if let Some(contradiction) = health.contradiction() {
            return Some(contradiction.to_owned());
        }
        let verbosities = [logs.verbose, logs.debug, logs.quiet].into_iter().filter(|given| *given).count();
        (verbosities > 1).then(|| "only one of --verbose, --debug and --quiet can be used".to_owned())
    }
}

/// An empty variable counts as unset: so it is left in manifests where there is nothing to say.
fn without_empty_variables(command: Command) -> Command {
    command.mut_args(|argument| {
        let value = argument.get_env().and_then(env::var_os);
        if value.is_some_and(|value| value.is_empty()) { argument.env(Resettable::Reset) } else { argument }
    })
}

/// The same error without URLs: in the wrong place, a database's would bring its password to the log.
fn discreet(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if error.get(kind).is_some_and(|given| given.to_string().contains("://")) {
            error.insert(kind, ContextValue::String("<a URL>".to_owned()));
        }
    }
    error
}

/// A setting and its value.
fn setting(text: &str) -> Result<(String, String), InvalidSetting> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Settings::default().set(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A list of namespaces.
pub(super) fn namespaces(text: &str) -> Result<String, InvalidNamespaces> {
    text.parse::<NamespaceList>().map(|_| text.to_owned())
}
