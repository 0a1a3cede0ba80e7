//! The arguments that handlers take, each made from the call that it is part of.

use crate::{Call, Error, core::Reason};
use kube::Resource;
use std::{any::TypeId, marker::PhantomData};

/// What a handler handles: a kind, and what happens to it.
///
/// One of [`Creation`], [`Update`] and [`Deletion`]; an argument that makes sense in some of them only
/// (the old spec of an object that is being created?) implements [`FromCall`] for those alone.
pub trait Scope: 'static {
    /// The kind of the objects.
    type Kind: Resource;
    /// When the handler is called.
    const REASON: Reason;
}

/// A handler of objects of kind `K` that nothing has handled yet.
#[derive(Debug)]
pub struct Creation<K>(PhantomData<fn() -> K>);
impl<K: Resource + 'static> Scope for Creation<K> {
    type Kind = K;
    const REASON: Reason = Reason::Create;
}

/// A handler of objects of kind `K` whose essence has changed.
#[derive(Debug)]
pub struct Update<K>(PhantomData<fn() -> K>);
impl<K: Resource + 'static> Scope for Update<K> {
    type Kind = K;
    const REASON: Reason = Reason::Update;
}

/// A handler of objects of kind `K` that are being deleted.
#[derive(Debug)]
pub struct Deletion<K>(PhantomData<fn() -> K>);
impl<K: Resource + 'static> Scope for Deletion<K> {
    type Kind = K;
    const REASON: Reason = Reason::Delete;
}

/// The state types that handlers ask for; checked when the operator starts.
#[derive(Clone, Debug, Default)]
pub struct Needs(pub Vec<(TypeId, &'static str)>);

/// A handler's argument, made from the call that it is part of.
pub trait FromCall<S: Scope>: Sized {
    /// # Errors
    /// Whatever keeps the argument from being made. It is permanent unless it says that it is temporary:
    /// the handler isn't called, and the object waits for its next change.
    fn from_call(call: &Call) -> Result<Self, Error>;

    /// Names the state that this argument is made from.
    fn needs(_needs: &mut Needs) {}
}
