//! Program: an operator with a version and a description.

use super::{Installation, command::OwnCommand};
use crate::operator::Operator;

/// A program: an operator, whose name it has, with a version and a description.
///
/// `korf::cli::program!()` takes these from `Cargo.toml`. An operator, or the name of one, becomes a program by
/// `into()`.
#[derive(Debug)]
pub struct Program {
    pub(super) operator: Operator,
    pub(super) version: &'static str,
    pub(super) about: &'static str,
    pub(super) installation: Installation,
    pub(super) commands: Vec<OwnCommand>,
}

impl Program {
    /// A program of an operator with this name, and with all handlers that attributes have registered: see
    /// [`Operator::new`].
    pub fn new(name: impl Into<String>) -> Self {
        Operator::new(name).into()
    }

    /// The text of `--version`.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// The first line of `--help`.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// What it needs in a cluster, besides the permissions of its handlers: for the command `manifests`.
    #[must_use]
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installation = installation;
        self
    }

    /// Changes the operator for all commands, to add a handler that was built by hand, say.
    #[must_use]
    pub fn operator(mut self, change: impl FnOnce(Operator) -> Operator) -> Self {
        self.operator = change(self.operator);
        self
    }
}

impl From<Operator> for Program {
    fn from(operator: Operator) -> Self {
        let installation = Installation::new();
        Self { operator, version: "", about: "", installation, commands: Vec::new() }
    }
}

impl From<&str> for Program {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

// Hidden at the crate's root, where exported macros are.
#[doc(hidden)]
#[macro_export]
macro_rules! __program {
    () => {
        $crate::cli::Program::new(::core::env!("CARGO_PKG_NAME"))
            .version(::core::env!("CARGO_PKG_VERSION"))
            .about(::core::env!("CARGO_PKG_DESCRIPTION"))
    };
}

/// The [`Program`] that the package's `Cargo.toml` describes: name, version, description.
#[doc(inline)]
pub use crate::__program as program;
