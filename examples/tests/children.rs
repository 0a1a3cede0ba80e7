//! Tests of example 02, included as [those of example 09](../tests/testing.rs) are.

#[expect(dead_code, reason = "`main` is for the program")]
#[path = "../02-children.rs"]
mod example;
