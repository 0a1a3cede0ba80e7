//! Replies: the changes of an object that a handler's return value asks for.

use crate::{error::Error, extract::StatusIs};
use serde::Serialize;
use serde_json::Value;
use std::ops::{Deref, DerefMut};

/// The change of its object that a handler returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing.
    Nothing,
    /// A value for `status.<handler id>`.
    Result(Value),
    /// A mapping to be merged into `status`.
    Status(Value),
}

/// A type that handlers can return: one of these, or a [`Result`](crate::Result) of it.
///
/// | Value | Written to the object |
/// |---|---|
/// | `()` | nothing |
/// | [`Status<_>`](Status) | merged into the status |
/// | [`serde_json::Value`] | `status.<handler id>`; nothing if it is null |
///
/// As in Kopf, a mapping is merged into the one that is there: keys that it doesn't name stay, and a null removes one.
/// Any other value replaces what is there.
///
/// The kind's schema has to allow these fields, or the API server drops them silently. korf warns when that has happened.
#[diagnostic::on_unimplemented(
    message = "a handler of `{K}` cannot return `{Self}`",
    label = "not what a handler of `{K}` returns",
    note = "return `korf::Result`, or `korf::Result<Status<_>>` with the status type of `{K}`, or `korf::Result<serde_json::Value>`"
)]
pub trait IntoReply<K> {
    /// Whether it may ask for a change of the status.
    const WRITES: bool = true;

    /// The reply.
    ///
    /// # Errors
    /// The handler's own error, or a value that can't be written as JSON.
    fn into_reply(self) -> Result<Reply, Error>;
}

impl<K> IntoReply<K> for () {
    const WRITES: bool = false;

    fn into_reply(self) -> Result<Reply, Error> {
        Ok(Reply::Nothing)
    }
}

impl<K> IntoReply<K> for Value {
    fn into_reply(self) -> Result<Reply, Error> {
        Ok(if self.is_null() { Reply::Nothing } else { Reply::Result(self) })
    }
}

/// The object's status in your own type, for kinds with `#[derive(CustomResource)]` and `status = "…"`.
///
/// Returned, it is the new status, or those fields of it that the handler knows: it is merged into what is there. Taken as
/// an argument, it is the present one; an object that has no status yet doesn't fit, and is none of an `Option<Status<_>>`.
///
/// ```
/// use korf::{Result, Status};
/// # use kube::CustomResource;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
/// # #[kube(group = "korf.dev", version = "v1", kind = "Light", namespaced, status = "LightStatus")]
/// # struct LightSpec {}
/// #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
/// struct LightStatus {
///     switched: u32,
/// }
///
/// #[korf::on_update(Light)]
/// async fn switch(status: Option<Status<LightStatus>>) -> Result<Status<LightStatus>> {
///     let switched = status.map_or(0, |status| status.switched) + 1;
///     Ok(Status(LightStatus { switched }))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status<T>(pub T);

impl<T> Deref for Status<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Status<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<K, T> IntoReply<K> for Status<T>
where
    K: StatusIs<T>,
    T: Serialize,
{
    fn into_reply(self) -> Result<Reply, Error> {
        match serde_json::to_value(self.0) {
            Ok(status @ Value::Object(_)) => Ok(Reply::Status(status)),
            Ok(_) => Err(Error::permanent("the returned status is not a mapping")),
            Err(error) => {
                Err(Error::permanent(format!("the returned status cannot be written as JSON: {error}")))
            }
        }
    }
}

impl<K, R: IntoReply<K>> IntoReply<K> for Result<R, Error> {
    const WRITES: bool = R::WRITES;

    fn into_reply(self) -> Result<Reply, Error> {
        self?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::{IntoReply, Reply, Status};
    use crate::error::{Error, Result};
    use kube::core::object::HasStatus;
    use serde::Serialize;
    use serde_json::{Value, json};
    use std::collections::HashMap;

    struct Kind<T>(Option<T>);
    impl<T> HasStatus for Kind<T> {
        type Status = T;

        fn status(&self) -> Option<&T> {
            self.0.as_ref()
        }

        fn status_mut(&mut self) -> &mut Option<T> {
            &mut self.0
        }
    }

    fn reply<T: Serialize>(status: T) -> Result<Reply> {
        IntoReply::<Kind<T>>::into_reply(Ok::<_, Error>(Status(status)))
    }

    #[test]
    fn a_status_is_a_mapping() {
        assert_eq!(reply(HashMap::from([("a", 1)])).unwrap(), Reply::Status(json!({"a": 1})));
        assert!(matches!(reply(5), Err(Error::Permanent(_))));
    }

    #[test]
    fn a_status_that_json_cannot_say_is_an_error() {
        let error = reply(HashMap::from([((1, 2), "no key of a mapping")])).unwrap_err();
        assert_eq!(error.to_string(), "the returned status cannot be written as JSON: key must be a string");
    }

    #[test]
    fn a_null_is_nothing() {
        for (value, expected) in [(Value::Null, Reply::Nothing), (json!(0), Reply::Result(json!(0)))] {
            assert_eq!(IntoReply::<()>::into_reply(Ok::<_, Error>(value)).unwrap(), expected);
        }
    }
}
