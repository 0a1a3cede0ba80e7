//! A test kit: an operator's handlers on objects in memory, with time under control and without a cluster.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use korf::{Attempt, Error, Operator, Patch, Registry, Result};
//! use korf_testing::Cluster;
//! use serde_json::{from_value, json};
//! use std::time::Duration;
//!
//! async fn greet(attempt: Attempt, patch: Patch) -> Result {
//!     if attempt.0 == 0 {
//!         return Err(Error::temporary("nobody is there", Duration::from_secs(60)));
//!     }
//!     patch.merge(json!({"data": {"greeting": "hello"}}));
//!     Ok(())
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let registry = || Registry::from_iter([korf::on_create::<ConfigMap>("greet").run(greet)]);
//! let mut cluster = Cluster::of(move || Operator::with_registry("greeter", registry()))?;
//! cluster.create::<ConfigMap>(&from_value(json!({"metadata": {"name": "a"}}))?)?;
//! assert!(cluster.said("a", "Handler 'greet' failed temporarily: nobody is there"));
//!
//! cluster.advance(Duration::from_secs(60));
//! assert!(cluster.said("a", "Handler 'greet' succeeded."));
//! assert_eq!(cluster.get::<ConfigMap>("a")?.data.unwrap_or_default()["greeting"], "hello");
//! # Ok(())
//! # }
//! ```
//!
//! It is the same operator as in production, with the same watches, retries and patches: what is in memory is the
//! [API server](api). Time stands still but for [`Cluster::advance`], and chance is the same in every run.
//!
//! [`crash`] runs handlers again and again, and kills the operator at another place each time.
//!
//! A crate of its own, for dev-dependencies: production binaries don't carry it.

pub mod api;
mod cluster;
pub mod crash;
mod error;
mod lines;
mod supervisor;
mod trap;

pub use cluster::Cluster;
pub use error::Error;
pub use korf::__private::clock::{Controlled, control};
pub use lines::Line;
