//! Lead: which objects are this replica's, and until when.
//!
//! [`Holdings`] is where all meet: the elector, which takes and renews Leases, and peering, which pauses the operator, say what
//! is held; the reactor gives turns to the objects of held shards alone ([`Tenures`]); and each call of a handler and each write
//! asks a [`Fence`] whether it still may begin.

mod clock;
mod elector;
mod fence;
mod holdings;
mod leases;
pub mod peering;
mod relisting;
mod share;
mod tenures;
mod watching;

pub use clock::Moment;
pub use elector::{ElectionPlan, Elector};
pub use fence::Fence;
pub use holdings::Holdings;
pub use leases::{OPERATOR_LABEL, SHARDS_ANNOTATION, own_namespace};
pub use relisting::{Relisted, Relisting};
pub use share::{is_about_share, look_for_help, sharing};
pub use tenures::{Tenures, Turnover};
