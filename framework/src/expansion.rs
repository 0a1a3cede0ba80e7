//! Support for the code that attributes expand to, and for the test kit.

use crate::{
    families::{
        ActivityReply, Definition, Failure, IntoActivityReply, IntoObjectRefs, IntoPairs, Named, Pairs,
    },
    reply::{IntoReply, Reply},
};
use kube::CustomResourceExt;
use std::marker::PhantomData;

pub use inventory::submit;

/// How the objects are divided.
pub use crate::core::shard::{Shard, Shards};
/// The parts that the test kit captures lines with.
pub use crate::logging::parts as logging;
/// The clock, which the test kit controls.
pub use crate::runtime::clock;
/// Which objects are a replica's, and the clock of its leases.
pub use crate::runtime::{Holdings, Moment};
/// What the operator answers to those that ask for its health.
pub use crate::runtime::{
    health::{Health, HealthSite},
    observe::metrics::Metrics,
};
pub use crate::{
    argument::{argument, object_itself},
    registry::{Registered, Registration},
};

/// The reply of a function that has returned.
pub fn reply<K, R: IntoReply<K>>(returned: R) -> Result<Reply, Failure> {
    returned.into_reply().map_err(Failure::Failed)
}

/// The reply of an activity's function that has returned.
pub fn activity_reply<S, R: IntoActivityReply<S>>(returned: R) -> Result<ActivityReply, Failure> {
    returned.into_reply().map_err(Failure::Failed)
}

/// The pairs of an index function that has returned.
pub fn pairs<P: IntoPairs>(returned: P) -> Result<Pairs<P>, Failure> {
    returned.into_pairs().map_err(Failure::Failed)
}

/// The objects of a mapping function that has returned.
pub fn names<T, R: IntoObjectRefs<T>>(returned: R) -> Result<Vec<Named>, Failure> {
    Ok(returned.into_names())
}

/// Finds the definition of a concrete kind, where there is one: the inherent method stands before the trait's.
#[derive(Debug)]
pub struct Definitions<K>(pub PhantomData<fn() -> K>);

impl<K: CustomResourceExt> Definitions<K> {
    /// That of `#[derive(CustomResource)]`.
    pub fn find(&self) -> Option<Definition> {
        Some(K::crd)
    }
}

/// Kinds that have no definition: the built-in ones.
pub trait NoDefinition {
    /// None.
    fn find(&self) -> Option<Definition> {
        None
    }
}

impl<K> NoDefinition for Definitions<K> {}
