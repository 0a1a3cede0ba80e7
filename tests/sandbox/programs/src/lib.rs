//! Programs that the sandbox needs: where this machine has them, and what it lacks.
//!
//! This crate has no dependencies, so cargo builds it in a second. `cargo demo` runs its program `korf-demo` first, which
//! says what is missing before cargo compiles for minutes.

pub mod cache;
pub mod cargo;
pub mod control_plane;
pub mod environment;
pub mod machine;
pub mod needs;
pub mod release;
