//! Kubernetes Events about the object.

use crate::{
    argument::{FromCall, Rejection, Requirements},
    event_queue::{EventQueue, EventRequest, EventRequests, Severity, event_queue, is_event, reference},
    scope::ObjectHandlerScope,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Posts Kubernetes Events about the object, which `kubectl describe` shows: Kopf's `kopf.info` and `kopf.warn`.
///
/// ```
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use korf::{EventRecorder, Result};
///
/// #[korf::on_create(ConfigMap)]
/// async fn create(events: EventRecorder) -> Result {
///     events.info("Filled", "The map has all its keys.");
///     let number: std::result::Result<u8, _> = "x".parse();
///     if let Err(error) = number {
///         events.warn("NotANumber", error);
///     }
///     Ok(())
/// }
///
/// # futures::executor::block_on(async {
/// let events = EventRecorder::default();
/// create(events.clone()).await.unwrap();
/// let posted: Vec<_> = events.take().into_iter().map(|event| (event.reason, event.message)).collect();
/// assert_eq!(posted[0], ("Filled".into(), "The map has all its keys.".into()));
/// assert_eq!(posted[1], ("NotANumber".into(), "invalid digit found in string".into()));
/// # });
/// ```
///
/// Posting never delays or fails a handler. Events are posted one after the other; those that are left when the operator
/// stops are posted within its [grace](crate::Operator::grace). An event is dropped if too many others wait (1,000 by
/// default), or if the API server rejects it or doesn't answer for 10 s; a WARNING in the log counts them, at most every
/// five minutes.
///
/// - The operator needs permission to `create` `events` of the group `events.k8s.io`, in the object's namespace; for
///   cluster-scoped objects, in the namespace `default`.
/// - A reason is one word in camel case, of at most 128 bytes, for machines to match. Kubernetes rejects an event without
///   one.
/// - Messages of more than 1,024 bytes, and reasons of more than 128, lose their middle.
/// - Handlers are called [at least once](crate#at-least-once), so events are posted at least once.
/// - No events are posted about events, which would never end.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    regarding: ObjectReference,
    handler: String,
    queue: EventQueue,
    /// The receiving end, in a test of a handler.
    requests: Option<Arc<Mutex<EventRequests>>>,
}

/// The most events that wait in a test of a handler.
const TEST_CAPACITY: usize = 1000;

impl Default for EventRecorder {
    fn default() -> Self {
        let (queue, requests) = event_queue(TEST_CAPACITY);
        let (regarding, handler) = (ObjectReference::default(), String::new());
        Self { regarding, handler, queue, requests: Some(Arc::new(Mutex::new(requests))) }
    }
}

impl EventRecorder {
    /// Posts an event of type `Normal`: something has happened as it should.
    pub fn info(&self, reason: impl Into<String>, message: impl fmt::Display) {
        self.push(Severity::Normal, reason.into(), message.to_string());
    }

    /// Posts an event of type `Warning`: something is wrong. The message may be an error.
    pub fn warn(&self, reason: impl Into<String>, message: impl fmt::Display) {
        self.push(Severity::Warning, reason.into(), message.to_string());
    }

    /// A recorder of events about another object, as the API server has returned it: a child of this one, say.
    #[must_use]
    pub fn about<K: Resource<DynamicType = ()>>(&self, object: &K) -> Self {
        Self { regarding: object.object_ref(&()), ..self.clone() }
    }

    /// Removes and returns all events, in tests of handlers with an `EventRecorder::default()`. In a running operator they
    /// are already queued, and this returns nothing.
    pub fn take(&self) -> Vec<EventRequest> {
        let requests = self.requests.as_ref();
        requests.map(|requests| lock(requests).take()).unwrap_or_default()
    }

    fn push(&self, severity: Severity, reason: String, message: String) {
        let (regarding, handler) = (self.regarding.clone(), self.handler.clone());
        if !is_event(&regarding) {
            self.queue.push(EventRequest { regarding, severity, reason, message, handler });
        }
    }
}

impl<S: ObjectHandlerScope> FromCall<S> for EventRecorder {
    fn from_call(call: &S::Call) -> Result<Self, Rejection> {
        let (view, object) = (S::object(call), S::object_call(call));
        let regarding = reference(&view.body, &view.kind);
        let (handler, queue) = (object.context.handler.clone(), object.events.clone());
        Ok(Self { regarding, handler, queue, requests: None })
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.events();
    }
}

fn lock(requests: &Mutex<EventRequests>) -> MutexGuard<'_, EventRequests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::EventRecorder;
    use crate::{
        FromCall,
        call::tests::{change_call, object_call},
        core::Reason,
        event_queue::EventRequests,
        families::ChangeCall,
        scope::Creation,
    };
    use k8s_openapi::api::core::v1::{ConfigMap, Event};
    use serde_json::{from_value, json};

    /// The argument of a call for such an object, and where its events go.
    fn events(api_version: &str, kind: &str) -> (EventRecorder, EventRequests) {
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        let (object, requests) = object_call(body.clone());
        let call = ChangeCall { object, ..change_call(Reason::Create, body) };
        (<EventRecorder as FromCall<Creation<Event>>>::from_call(&call).unwrap(), requests)
    }

    #[tokio::test]
    async fn no_events_are_posted_about_events() {
        for (version, kind, posted) in [
            ("v1", "Event", 0),
            ("events.k8s.io/v1", "Event", 0),
            ("example.com/v1", "Event", 1),
            ("v1", "Pod", 1),
        ] {
            let (events, mut requests) = events(version, kind);
            events.info("Seen", "");
            assert_eq!(requests.take().len(), posted, "{version} {kind}");
        }
    }

    #[tokio::test]
    async fn an_event_may_be_about_another_object() {
        let (events, mut requests) = events("v1", "Pod");
        let child: ConfigMap = from_value(json!({"metadata": {"name": "c", "uid": "2"}})).unwrap();
        events.about(&child).warn("Odd", 5);
        let [request] = &requests.take()[..] else { panic!("one event") };
        let about = (&request.regarding.kind, &request.regarding.name, &request.regarding.uid);
        assert_eq!(about, (&Some("ConfigMap".into()), &Some("c".into()), &Some("2".into())));
        assert_eq!((request.handler.as_str(), request.message.as_str()), ("handler", "5"));
    }
}
