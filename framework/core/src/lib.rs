//! Pure core of korf: decides what a watch event means, which handlers are called, and what is written.
//!
//! No tokio, no client, no clock (`now` is an argument), no I/O.

pub mod body;
pub mod cause;
pub mod cycle;
pub mod daemon;
pub mod diff;
pub mod error;
pub mod essence;
pub mod filter;
pub mod handler;
pub mod health;
pub mod index;
pub mod kopf;
pub mod lease;
pub mod merge;
pub mod namespaces;
mod part;
pub mod patch;
pub mod peering;
pub mod progress;
pub mod queue;
mod reason;
pub mod retry;
pub mod schedule;
pub mod shard;
pub mod storage;
pub mod syntax;
pub mod timer;
pub mod transition;
mod uid;
pub mod version;

pub use part::Part;
pub use reason::Reason;
pub use uid::Uid;
