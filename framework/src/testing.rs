//! A test kit: an operator's handlers on objects in memory, with time under control and without a cluster.
//!
//! Behind the feature `testing`, which is for dev-dependencies: production binaries don't carry it.

pub mod api;

pub use crate::runtime::clock::{Controlled, control};
