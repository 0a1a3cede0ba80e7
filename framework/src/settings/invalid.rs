//! Settings that can't be set, and why.

use super::NAMES;
use std::{error, fmt};

/// A setting that can't be set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// There is no setting of this name.
    Name(String),
    /// The text isn't a value of the setting's type.
    Value {
        /// The name of the setting.
        name: String,
        /// The text.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// No operator can work with this value.
    Limit {
        /// The name of the setting.
        name: &'static str,
        /// The value.
        value: String,
        /// What it has to be instead.
        expected: String,
    },
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "there is no setting `{name}`; the settings are: {}", NAMES.join(", "))
            }
            Self::Value { name, value, expected } => {
                write!(f, "`{value}` can't be the value of the setting `{name}`: expected {expected}")
            }
            Self::Limit { name, value, expected } => {
                write!(f, "the setting `{name}` can't be {value}: {expected}")
            }
        }
    }
}

impl error::Error for InvalidSetting {}
