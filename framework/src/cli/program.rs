//! The program that an operator is.

use crate::{handler::Handler, operator::Operator};

/// The program that an operator is: its name, its version, what it is for, and its handlers.
///
/// [`program!`](crate::program) takes these from `Cargo.toml`; a name alone will do, too.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) about: &'static str,
    handlers: Vec<Handler>,
}

impl Program {
    /// A program with all handlers that attributes have registered. The name is that of the operator, too:
    /// see [`Operator::new`].
    pub fn new(name: &'static str) -> Self {
        Self { name, version: "", about: "", handlers: Vec::new() }
    }

    /// What `--version` prints.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// What `--help` says first.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Adds a handler that was built by hand, for all commands.
    #[must_use]
    pub fn handler(mut self, handler: Handler) -> Self {
        self.handlers.push(handler);
        self
    }

    pub(super) fn operator(&self) -> Operator {
        self.handlers.iter().cloned().fold(Operator::new(self.name), Operator::handler)
    }
}

impl From<&'static str> for Program {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

/// The [`Program`](crate::cli::Program) that the package's `Cargo.toml` describes: name, version, description.
#[macro_export]
macro_rules! program {
    () => {
        $crate::cli::Program::new(::core::env!("CARGO_PKG_NAME"))
            .version(::core::env!("CARGO_PKG_VERSION"))
            .about(::core::env!("CARGO_PKG_DESCRIPTION"))
    };
}
