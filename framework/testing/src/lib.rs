//! Test kit: runs an operator against an API server in memory, with controlled time.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Attempt, Error, Operator, ObjectPatch, Result, handler::Registry};
//! use korf_testing::Cluster;
//! use serde_json::{from_value, json};
//! use std::time::Duration;
//!
//! async fn greet(attempt: Attempt, patch: ObjectPatch) -> Result {
//!     if attempt.0 == 0 {
//!         return Err(Error::temporary("not ready", Duration::from_secs(60)));
//!     }
//!     patch.merge(json!({"data": {"greeting": "hello"}}));
//!     Ok(())
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let registry = || Registry::from_iter([korf::on_create::<ConfigMap>("greet").run(greet)]);
//! let mut cluster = Cluster::of(move || Operator::with_registry("greeter", registry()))?;
//! cluster.create::<ConfigMap>(&from_value(json!({"metadata": {"name": "a"}}))?)?;
//! assert!(cluster.logged("a", "Handler 'greet' failed temporarily and will try again in 60 seconds: not ready"));
//!
//! cluster.advance(Duration::from_secs(60));
//! assert!(cluster.logged("a", "Handler 'greet' succeeded."));
//! assert_eq!(cluster.get::<ConfigMap>("a")?.data.unwrap_or_default()["greeting"], "hello");
//! # Ok(())
//! # }
//! ```
//!
//! The operator is the same as in production, with the same watches, retries and patches; only the [API server](api) is in
//! memory. Time stands still except in [`Cluster::advance`], and random numbers are the same in every run.
//!
//! [`crash`] tests handlers with a crash of the operator at every possible point.
//!
//! This is a separate crate, for dev-dependencies, so that production binaries don't contain it.

pub mod api;
mod cluster;
pub mod crash;
mod error;
mod injector;
mod lines;

pub use cluster::Cluster;
pub use error::Error;
pub use korf::__private::clock::{Controlled, control, now};
pub use lines::Line;
