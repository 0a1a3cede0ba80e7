//! The test of the operator in docs/your-own-operator.md: see `testing.rs`.

#[expect(dead_code, reason = "`main` is for the program")]
#[path = "../your-own-operator.rs"]
mod example;
