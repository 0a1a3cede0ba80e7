//! Kopf's names and formats, which korf shares: an operator made with one of them can continue what an operator made with
//! the other has begun.

pub(crate) mod json;
pub(crate) mod keys;
mod record;
mod repr;
mod timedelta;
mod wording;

pub(crate) use record::{format as format_time, parse as parse_time};
pub(crate) use timedelta::Timedelta;

/// The prefix of Kopf's annotations.
pub(crate) const PREFIX: &str = "kopf.zalando.org";
/// Kopf's finalizer.
pub(crate) const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
/// The field of the status in which Kopf stores its progress.
pub(crate) const STATUS: &str = "kopf";
/// The name of the annotation that marks a prefix as an operator's.
pub(crate) const MARKER: &str = "kopf-managed";
/// The name of the diff-base, in annotations and in the status.
pub(crate) const DIFF_BASE: &str = "last-handled-configuration";
/// The name of the annotation that Kopf writes to trigger itself; korf only removes it.
pub(crate) const TOUCH: &str = "touch-dummy";
/// The name of the same in the status.
pub(crate) const TOUCH_IN_STATUS: &str = "dummy";
