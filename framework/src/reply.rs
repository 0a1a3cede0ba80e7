//! What a handler leaves on its object, from what it returns.

use crate::{
    error::Error,
    handler::{Reply, Returns},
};
use kube::core::object::HasStatus;
use serde::Serialize;
use serde_json::Value;

/// What a handler may return as the value of its [`Result`](crate::Result).
///
/// | Value | On the object |
/// |---|---|
/// | `()` | nothing |
/// | [`Status<_>`](Status) | merged into the status |
/// | [`serde_json::Value`] | `status.<handler id>`; nothing if it is null |
///
/// As in Kopf, a mapping is merged with the one that is there: keys that it doesn't name stay, and a null deletes one.
/// All else replaces what is there.
///
/// The kind's schema has to have room for them, or the API server drops them silently; the operator warns of that when
/// it starts, if it may read the kind's definition.
#[diagnostic::on_unimplemented(
    message = "a handler of `{K}` cannot return `{Self}`",
    label = "not something that can be left on `{K}`",
    note = "return `korf::Result`, or `korf::Result<Status<_>>` with the status type of `{K}`, or `korf::Result<serde_json::Value>`"
)]
pub trait IntoReply<K> {
    /// Where it goes.
    const RETURNS: Returns;

    /// # Errors
    /// The value cannot be written as JSON.
    fn into_reply(self) -> Result<Reply, Error>;
}

impl<K> IntoReply<K> for () {
    const RETURNS: Returns = Returns::Nothing;

    fn into_reply(self) -> Result<Reply, Error> {
        Ok(Reply::Nothing)
    }
}

impl<K> IntoReply<K> for Value {
    const RETURNS: Returns = Returns::Value;

    fn into_reply(self) -> Result<Reply, Error> {
        Ok(if self.is_null() { Reply::Nothing } else { Reply::Result(self) })
    }
}

/// The object's new status, or those fields of it that the handler knows: it is merged into what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status<T>(pub T);

impl<K, T> IntoReply<K> for Status<T>
where
    K: HasStatus<Status = T>,
    T: Serialize,
{
    const RETURNS: Returns = Returns::Status;

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

/// What a handler returns: a [`Result`](crate::Result) of [some value](IntoReply), or nothing at all.
#[diagnostic::on_unimplemented(
    message = "a handler of `{K}` cannot return `{Self}`",
    label = "not what a handler returns",
    note = "return `korf::Result`, or `korf::Result<Status<_>>` with the status type of `{K}`, or `korf::Result<serde_json::Value>`"
)]
pub trait Output<K> {
    /// Where it goes.
    const RETURNS: Returns;

    /// # Errors
    /// The handler's own, or that of a value that cannot be written as JSON.
    fn into_reply(self) -> Result<Reply, Error>;
}

impl<K> Output<K> for () {
    const RETURNS: Returns = Returns::Nothing;

    fn into_reply(self) -> Result<Reply, Error> {
        Ok(Reply::Nothing)
    }
}

impl<K, R: IntoReply<K>> Output<K> for Result<R, Error> {
    const RETURNS: Returns = R::RETURNS;

    fn into_reply(self) -> Result<Reply, Error> {
        self?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, Status};
    use crate::{
        error::{Error, Result},
        handler::Reply,
    };
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
        Output::<Kind<T>>::into_reply(Ok::<_, Error>(Status(status)))
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
            assert_eq!(Output::<()>::into_reply(Ok::<_, Error>(value)).unwrap(), expected);
        }
    }
}
