//! Peering: its options of `run`, and the commands `freeze` and `resume`.

use super::{Program, arguments::Namespaces, run::within};
use crate::{core::syntax::is_domain, operator::Operator, runtime::FreezeRequest};
use clap::{ArgAction, Command, builder::FalseyValueParser};
use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};
use tokio::runtime::Runtime;

/// The priority of `--dev`, which is Kopf's.
const DEV: i64 = 666;

/// How the operator gives way to others.
#[derive(Debug, clap::Args)]
pub(super) struct Peering {
    /// Pause while an operator with a greater priority, or an older one with the same, is in this peering
    ///
    /// It is the name of a ClusterKopfPeering (kopf.dev/v1), or of a KopfPeering in each of the namespaces that are named. While
    /// there is none, the operator is paused. Operators of Kopf take part in it, too.
    #[arg(short = 'P', long, value_name = "NAME", env = "KORF_RUN_PEERING", value_parser = peering)]
    pub peering: Option<String>,
    /// The priority in the peering; without a --peering, in that of the name `default`, if it exists
    #[arg(
        short = 'p',
        long,
        value_name = "NUMBER",
        env = "KORF_RUN_PRIORITY",
        allow_negative_numbers = true
    )]
    pub priority: Option<i64>,
    /// The priority 666, for an operator on a developer's machine: the others pause
    #[arg(long, env = "KORF_RUN_DEV", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub dev: bool,
    /// Take part in no peering
    #[arg(long, env = "KORF_RUN_STANDALONE", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub standalone: bool,
}

/// The command `freeze`.
#[derive(Debug, clap::Args)]
pub(super) struct Freeze {
    #[command(flatten)]
    pub namespaces: Namespaces,
    #[command(flatten)]
    pub who: Who,
    /// Operators with a priority up to this one pause
    #[arg(short = 'p', long, value_name = "NUMBER", default_value_t = 100, allow_negative_numbers = true)]
    pub priority: i64,
    /// The priority 666
    #[arg(long)]
    pub dev: bool,
    /// They go on after this time, unless `resume` comes before
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime: u32,
    /// Why, for the logs of those that pause
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
}

/// The command `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    #[command(flatten)]
    pub namespaces: Namespaces,
    #[command(flatten)]
    pub who: Who,
}

/// Who asks for a pause, and where.
#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// The peering of the operators
    #[arg(short = 'P', long, value_name = "NAME", env = "KORF_RUN_PEERING", value_parser = peering)]
    pub peering: String,
    /// Under which name the pause is asked for; by default, that of the user and the machine
    #[arg(short, long, value_name = "NAME")]
    pub id: Option<String>,
}

impl Peering {
    /// What can't be said together.
    pub fn contradiction(&self) -> Option<&'static str> {
        let is_both = self.standalone && self.peering.is_some();
        is_both.then_some("either --standalone or --peering can be used, not both")
    }

    /// The operator, which takes part. By itself, one that replaces an operator of Kopf looks for the same peering as that one.
    pub fn of(self, mut operator: Operator) -> Operator {
        if self.standalone {
            return operator.standalone();
        }
        if let Some(name) = self.peering {
            operator = operator.peering(name);
        }
        if let Some(priority) = Some(DEV).filter(|_| self.dev).or(self.priority) {
            operator = operator.priority(priority);
        }
        if operator.is_kopf_compatible() { operator.detecting_peering() } else { operator }
    }
}

/// The same commands, whose namespaces are those of peerings.
pub(super) fn with_places(command: Command) -> Command {
    ["freeze", "resume"].into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |command| {
            let named = "The KopfPeering in this namespace; may be repeated, and be a list with globs: team-*,!team-x";
            let all = "The ClusterKopfPeering; also the default, unless the program serves named namespaces";
            let command = command.mut_arg("named", |argument| argument.help(named).long_help(named));
            command.mut_arg("all", |argument| argument.help(all))
        })
    })
}

/// Asks for a pause.
pub(super) fn freeze(program: Program, options: Freeze) -> Result<(), Box<dyn Error>> {
    let Freeze { namespaces, who: Who { peering, id }, priority, dev, lifetime, message } = options;
    let priority = if dev { DEV } else { priority };
    let lifetime = Duration::from_secs(lifetime.into());
    let request = FreezeRequest { peering, identity: id, pause: Some((priority, lifetime, message)) };
    let seconds = lifetime.as_secs();
    ask(
        program,
        namespaces,
        request,
        &format!("operators with a priority up to {priority} pause for {seconds} seconds"),
    )
}

/// Ends it.
pub(super) fn resume(program: Program, options: Resume) -> Result<(), Box<dyn Error>> {
    let Resume { namespaces, who: Who { peering, id } } = options;
    let request = FreezeRequest { peering, identity: id, pause: None };
    ask(program, namespaces, request, "operators go on, unless others ask for a pause")
}

fn ask(
    program: Program,
    namespaces: Namespaces,
    request: FreezeRequest,
    what: &str,
) -> Result<(), Box<dyn Error>> {
    let operator = within(program.operator, namespaces);
    let asked = Runtime::new()?.block_on(operator.ask_for_pause(request))?;
    for peering in asked {
        writeln!(io::stdout(), "{peering}: {what}.")?;
    }
    Ok(())
}

/// The name of a peering object.
pub(super) fn peering(text: &str) -> Result<String, &'static str> {
    let name = Some(text.to_owned()).filter(|name| is_domain(name));
    name.ok_or("expected the name of an object: small letters, digits, `-` and `.`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peering_has_the_name_of_an_object() {
        for (text, is_one) in [
            ("default", true),
            ("team-1.example", true),
            ("", false),
            ("A", false),
            ("a/b", false),
            ("a b", false),
        ] {
            assert_eq!(peering(text).is_ok(), is_one, "{text}");
        }
    }
}
