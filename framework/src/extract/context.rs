//! Arguments of other modules' types.

use crate::{
    core::{Reason, body::Body},
    error::Error,
    handler::{Call, Change, EventType, FromCall, RawEvent, Scope},
};
use kube::Client;
use tokio_util::sync::CancellationToken;

/// Why the handler is called.
impl<S: Change> FromCall<S> for Reason {
    fn from_call(call: &Call) -> Result<Self, Error> {
        call.reason.ok_or_else(|| Error::permanent("a raw event has no reason"))
    }
}

/// What the watch said.
impl<K: 'static> FromCall<RawEvent<K>> for EventType {
    fn from_call(call: &Call) -> Result<Self, Error> {
        call.event.ok_or_else(|| Error::permanent("a change is no raw event"))
    }
}

/// The raw object, as the API server sent it.
impl<S: Scope> FromCall<S> for Body {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.body.clone())
    }
}

/// The operator's own client.
impl<S: Scope> FromCall<S> for Client {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.client.clone())
    }
}

/// Cancelled when the operator stops.
impl<S: Scope> FromCall<S> for CancellationToken {
    fn from_call(call: &Call) -> Result<Self, Error> {
        Ok(call.stopping.clone())
    }
}
