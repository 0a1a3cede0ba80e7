//! Lead: which objects are this replica's, and until when.
//!
//! [`Holdings`] is where all meet: the elector, which takes and renews Leases, and peering, which pauses the operator, say what
//! is held; the reactor gives turns to the objects of held shards alone; and each call of a handler and each write asks a
//! [`Fence`] whether it still may begin.

#![cfg_attr(not(test), expect(dead_code, reason = "the elector and the queue come next"))]

mod clock;
mod elector;
mod holdings;
mod leases;
mod watching;

pub use clock::Moment;
pub use elector::{ElectionPlan, Elector};
pub use holdings::Holdings;
#[expect(unused_imports, reason = "the elector and the queue come next")]
pub use holdings::{Fence, Served};
pub use leases::{OPERATOR_LABEL, SHARDS_ANNOTATION, own_namespace};
