//! Tests of example 09. They are in the example's own file, as in any program. But if cargo tested the
//! example directly, it wouldn't build its program, so they are included here.

#[expect(dead_code, reason = "`main` is for the program")]
#[path = "../09-testing.rs"]
mod example;
