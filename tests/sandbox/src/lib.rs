//! A real Kubernetes control plane (kube-apiserver and etcd) and a real PostgreSQL on loopback, for tests and
//! demos.
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
//! Everything stops with the process that started it, even after a panic, Ctrl-C or `kill -9`. The README
//! says where the programs come from.

mod account;
mod authority;
mod cache;
mod control_plane;
mod error;
mod fresh;
mod go;
mod guard;
mod helm;
mod kubeconfig;
mod postgres;
mod promtool;
mod proxy;
mod sandbox;
mod served;
mod terminal;
mod trap;

pub use authority::Certificate;
pub use control_plane::{ControlPlane, RequestCounts};
pub use error::Error;
pub use fresh::port as fresh_port;
pub use helm::helm;
pub use postgres::{Database, Postgres};
pub use promtool::promtool;
pub use proxy::Proxy;
pub use sandbox::Sandbox;
pub use served::until_served;
pub use terminal::Ticker;
pub use trap::{Moment, Trap, TrapProxy};

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
