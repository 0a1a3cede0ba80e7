//! What the operator was given by `.state(…)`.

use crate::{
    error::Error,
    handler::{Call, FromCall, Needs, Scope},
};
use std::{
    any::{TypeId, type_name},
    ops::{Deref, DerefMut},
};

/// What the operator was given by `.state(…)`: a connection pool, settings. Each call gets a clone.
///
/// An operator whose handlers ask for a state that it wasn't given doesn't start.
#[derive(Clone, Copy, Debug)]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for State<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<S: Scope, T: Clone + Send + Sync + 'static> FromCall<S> for State<T> {
    fn from_call(call: &Call) -> Result<Self, Error> {
        let state = call.states.get(&TypeId::of::<T>()).and_then(|state| state.downcast_ref::<T>());
        let missing = || Error::permanent(format!("no `.state(…)` of type `{}` was given", type_name::<T>()));
        state.cloned().map(Self).ok_or_else(missing)
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}
