//! Operators that show one idea each. Each is a file in the folder above.

/// Compiles the README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
