//! A real Kubernetes control plane (kube-apiserver and etcd) and a real PostgreSQL on loopback, for tests and demos.
//!
//! ```no_run
//! # async fn example() -> korf_sandbox::Result<()> {
//! let sandbox = korf_sandbox::Sandbox::start().await?;
//! let client = sandbox.control_plane.client().await?;
//! let namespace = sandbox.control_plane.create_namespace("my-test").await?;
//! let database = sandbox.postgres.create_database("my_test").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything ends with the process that started it, also after a panic, Ctrl-C and `kill -9`. Where the programs
//! come from is told in the README.

mod account;
mod authority;
mod control_plane;
mod environment;
mod error;
mod fresh;
mod guard;
mod kubeconfig;
mod postgres;
mod proxy;
mod sandbox;
mod terminal;

pub use control_plane::{ControlPlane, Requests};
pub use error::Error;
pub use postgres::{Database, Postgres};
pub use proxy::Proxy;
pub use sandbox::Sandbox;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
