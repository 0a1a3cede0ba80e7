//! Events of watches.

use crate::body::Body;

/// An event of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// A listing begins.
    Listing,
    /// A listing begins, and the kind's CRD may have changed: an object of the same version may be another one, with other
    /// defaults, or without fields that the schema no longer has.
    ListingRevised,
    /// A listing begins that the operator has asked for, because it has taken over some objects: a known state of the others is
    /// no news, for event handlers either.
    ListingAgain,
    /// An object that the listing shows.
    Listed(Body),
    /// The listing is complete: what it hasn't shown is gone.
    ListingDone,
    /// An object was added or changed.
    Applied(Body),
    /// An object is gone.
    Deleted(Body),
    /// The place is gone, or the kind there, and all of its objects with it.
    Withdrawn,
}

/// One watch: of a kind, in one of the places where it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The kind, by its number.
    pub kind: u32,
    /// The place, by its number: a namespace, or the cluster.
    pub place: u32,
}
