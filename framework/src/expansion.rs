//! What the attributes expand to, and the core for this crate's tests; nothing that people write themselves.

use crate::{
    handler::{Definition, Failure, Reply, Returns},
    reply::Output,
};
use kube::CustomResourceExt;
use std::marker::PhantomData;

pub use inventory::submit;

pub use crate::handler::Invoke;
/// The parts that the test kit captures lines with.
pub use crate::logging::parts as logging;
pub use crate::operator::SILENCE;
/// The clock, which the test kit controls.
pub use crate::runtime::clock;

/// What the function returned, as the runtime wants it.
pub fn reply<K, O: Output<K>>(output: O) -> Result<Reply, Failure> {
    output.into_reply().map_err(Failure::Failed)
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

/// Finds where the results of a function go that returns `O`. Of one that returns something else there is a better
/// error to be seen than one from here.
#[derive(Debug)]
pub struct Returned<K, O>(pub PhantomData<fn() -> (K, O)>);

impl<K, O: Output<K>> Returned<K, O> {
    /// Where they go.
    pub fn find(&self) -> Returns {
        O::RETURNS
    }
}

/// Functions that can't be handlers.
pub trait NoOutput {
    /// Nowhere.
    fn find(&self) -> Returns {
        Returns::Nothing
    }
}

impl<K, O> NoOutput for Returned<K, O> {}
