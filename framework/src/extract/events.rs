//! Kubernetes events about the object.

use crate::{
    error::Error,
    handler::{Call, FromCall, Notice, Postbox, Scope, Severity},
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use std::fmt;

/// Posts Kubernetes events about the object, as `kubectl describe` shows them: Kopf's `kopf.info` and `kopf.warn`.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{Events, Result};
///
/// #[korf::on_create(ConfigMap)]
/// async fn create(events: Events) -> Result {
///     events.info("Filled", "The map has all its keys.");
///     let number: std::result::Result<u8, _> = "x".parse();
///     if let Err(error) = number {
///         events.warn("NotANumber", error);
///     }
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let events = Events::default();
/// create(events.clone()).await.unwrap();
/// let posted: Vec<_> = events.take().into_iter().map(|notice| (notice.reason, notice.message)).collect();
/// assert_eq!(posted[0], ("Filled".into(), "The map has all its keys.".into()));
/// assert_eq!(posted[1], ("NotANumber".into(), "invalid digit found in string".into()));
/// # });
/// ```
///
/// The handler neither waits for them nor fails by them. They are posted one after the other, and when the operator stops,
/// what is left is posted within its [grace](crate::Operator::grace). An event is dropped where a thousand others wait, and
/// where the API server refuses it or doesn't answer for 10 s; the log says so, once in five minutes.
///
/// - The operator needs the right to `create` `events` in the group `events.k8s.io`, in the object's namespace; for objects
///   of the whole cluster, in the namespace `default`.
/// - A reason is one word in camel case, of at most 128 bytes, that a machine may look for. Kubernetes refuses an event
///   without one.
/// - Messages of more than 1024 bytes, and reasons of more than 128, lose their middle.
/// - Handlers are called [at least once](crate#at-least-once), and so are events posted.
/// - No events are posted about events: there would be no end to it.
#[derive(Clone, Debug, Default)]
pub struct Events {
    regarding: ObjectReference,
    handler: String,
    postbox: Postbox,
    /// Whether it is the operator's, which posts what is in it.
    is_posted: bool,
}

impl Events {
    /// Something has happened, as it should.
    pub fn info(&self, reason: impl Into<String>, message: impl fmt::Display) {
        self.put(Severity::Normal, reason.into(), message.to_string());
    }

    /// Something isn't as it should be. The message may be an error.
    pub fn warn(&self, reason: impl Into<String>, message: impl fmt::Display) {
        self.put(Severity::Warning, reason.into(), message.to_string());
    }

    /// The same about another object: a child of this one, say, as the API server has returned it.
    #[must_use]
    pub fn about<K: Resource<DynamicType = ()>>(&self, object: &K) -> Self {
        Self { regarding: object.object_ref(&()), ..self.clone() }
    }

    /// All that was to be posted, and nothing is left: for tests of handlers, with events made by `Events::default()`.
    /// In an operator, they are on their way, and it is none.
    pub fn take(&self) -> Vec<Notice> {
        if self.is_posted { Vec::new() } else { self.postbox.take() }
    }

    fn put(&self, severity: Severity, reason: String, message: String) {
        let (regarding, handler) = (self.regarding.clone(), self.handler.clone());
        if !is_event(&regarding) {
            self.postbox.put(Notice { regarding, severity, reason, message, handler });
        }
    }
}

impl<S: Scope> FromCall<S> for Events {
    fn from_call(call: &Call) -> Result<Self, Error> {
        let (regarding, handler) = (reference(call), call.id.clone());
        Ok(Self { regarding, handler, postbox: call.events.clone(), is_posted: true })
    }
}

fn is_event(object: &ObjectReference) -> bool {
    let version = object.api_version.as_deref().unwrap_or_default();
    object.kind.as_deref() == Some("Event") && (version == "v1" || version.starts_with("events.k8s.io/"))
}

fn reference(call: &Call) -> ObjectReference {
    let (body, resource) = (&call.body, &call.kind.resource);
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ObjectReference {
        api_version: text(&resource.api_version),
        kind: text(&resource.kind),
        namespace: body.namespace().and_then(text),
        name: text(body.name()),
        uid: text(body.uid()),
        resource_version: text(body.version()),
        field_path: None,
    }
}

#[cfg(test)]
mod tests {
    use super::Events;
    use crate::{Creation, Postbox, core::Reason, sample};
    use k8s_openapi::api::core::v1::{ConfigMap, Event};
    use serde_json::{from_value, json};

    /// The argument of a call for such an object, and where its events go.
    fn events(api_version: &str, kind: &str) -> (Events, Postbox) {
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        let call = sample::call(Reason::Create, body);
        (call.argument::<Creation<Event>, Events>().unwrap(), call.events)
    }

    #[tokio::test]
    async fn no_events_are_posted_about_events() {
        for (version, kind, posted) in [
            ("v1", "Event", 0),
            ("events.k8s.io/v1", "Event", 0),
            ("example.com/v1", "Event", 1),
            ("v1", "Pod", 1),
        ] {
            let (events, postbox) = events(version, kind);
            events.info("Seen", "");
            assert_eq!(postbox.take().len(), posted, "{version} {kind}");
        }
    }

    #[tokio::test]
    async fn an_event_may_be_about_another_object() {
        let (events, postbox) = events("v1", "Pod");
        let child: ConfigMap = from_value(json!({"metadata": {"name": "c", "uid": "2"}})).unwrap();
        events.about(&child).warn("Odd", 5);
        let [notice] = &postbox.take()[..] else { panic!("one event") };
        let about = (&notice.regarding.kind, &notice.regarding.name, &notice.regarding.uid);
        assert_eq!(about, (&Some("ConfigMap".into()), &Some("c".into()), &Some("2".into())));
        assert_eq!((notice.handler.as_str(), notice.message.as_str()), ("handler", "5"));
    }
}
