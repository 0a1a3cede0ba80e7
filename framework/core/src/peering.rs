//! Peering: operators for the same objects, which see each other in the status of one object, and which of them is at work.
//!
//! The objects are Kopf's (`KopfPeering`, `ClusterKopfPeering`), and so are the records: `status.<identity>` has an operator's
//! priority, for how many seconds the record counts, and when it was written. korf adds a field of its own to its records, which
//! Kopf ignores and keeps. By it, two of korf's operators are never at work at once: one begins when the record of the other one
//! says that it has paused.

mod course;
mod order;
mod peers;
mod record;
#[cfg(test)]
mod tests;

pub use course::{Act, Course};
pub use peers::{Look, Me, Peers, Precedence, Verdict};
pub use record::{Freeze, Record, Role, Working};
