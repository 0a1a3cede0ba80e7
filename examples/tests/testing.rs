//! The tests of the example 09, which stand beside its handlers. In a program of one's own, cargo runs such tests by
//! itself; of an example that it tests, it would not build the program.

#[expect(dead_code, reason = "the program's own `main`")]
#[path = "../09-testing.rs"]
mod example;
