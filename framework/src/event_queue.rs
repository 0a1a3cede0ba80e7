//! Kubernetes Events that handlers ask for, and those about handlers, on their way to the task that posts them.

use crate::{core::body::Body, families::Kind};
use k8s_openapi::api::core::v1::ObjectReference;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// The longest message that Kubernetes takes, in bytes.
const MESSAGE_LIMIT: usize = 1024;
/// The longest of the other texts, in bytes.
pub(crate) const WORD_LIMIT: usize = 128;

const CUT: &str = "...";

/// An event to be posted. Texts that are longer than Kubernetes allows lose their middle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EventRequest {
    /// The object that the event is about.
    pub regarding: ObjectReference,
    /// The type of the event.
    pub severity: Severity,
    /// The reason, in one word for machines: `TableCreated`. At most 128 bytes.
    pub reason: String,
    /// The text for people. At most 1,024 bytes.
    pub message: String,
    /// The id of the handler. At most 128 bytes.
    pub handler: String,
}

impl EventRequest {
    fn cut(mut self) -> Self {
        self.reason = cut(self.reason, WORD_LIMIT);
        self.message = cut(self.message, MESSAGE_LIMIT);
        self.handler = cut(self.handler, WORD_LIMIT);
        self
    }
}

/// Cuts a text to at most so many bytes: the beginning and the end are left, which tell most.
pub(crate) fn cut(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let half = (limit - CUT.len()) / 2;
    let (begin, end) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}{CUT}{}", &text[..begin], &text[end..])
}

/// The type of an event; Kubernetes has these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something has happened as it should.
    Normal,
    /// Something is wrong.
    Warning,
}

impl Severity {
    /// The `type` in the event's JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// A queue of events that are to be posted. Clones share one queue; pushing never blocks.
#[derive(Clone, Debug)]
pub(crate) struct EventQueue {
    sender: mpsc::Sender<EventRequest>,
    dropped: Arc<AtomicUsize>,
}

/// The other end of a queue.
#[derive(Debug)]
pub(crate) struct EventRequests {
    pub receiver: mpsc::Receiver<EventRequest>,
    dropped: Arc<AtomicUsize>,
}

/// A queue of events, and its other end.
pub(crate) fn event_queue(capacity: usize) -> (EventQueue, EventRequests) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let dropped = Arc::default();
    (EventQueue { sender, dropped: Arc::clone(&dropped) }, EventRequests { receiver, dropped })
}

impl EventQueue {
    /// Puts in an event, cut to what Kubernetes takes, so that what waits has a limit in bytes, too. It is dropped where
    /// too many are waiting.
    pub(crate) fn push(&self, request: EventRequest) {
        if self.sender.try_send(request.cut()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The names of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    pub uid: &'a str,
    pub version: &'a str,
}

impl<'a> From<&'a Body> for Named<'a> {
    fn from(body: &'a Body) -> Self {
        Self { namespace: body.namespace(), name: body.name(), uid: body.uid(), version: body.version() }
    }
}

/// The reference to an object that an event is about.
pub(crate) fn reference<'a>(object: impl Into<Named<'a>>, kind: &Kind) -> ObjectReference {
    let object = object.into();
    let resource = &kind.resource;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ObjectReference {
        api_version: text(&resource.api_version),
        kind: text(&resource.kind),
        namespace: object.namespace.and_then(text),
        name: text(object.name),
        uid: text(object.uid),
        resource_version: text(object.version),
        field_path: None,
    }
}

/// Whether an object is an event itself: events about events would never end.
pub(crate) fn is_event(object: &ObjectReference) -> bool {
    let version = object.api_version.as_deref().unwrap_or_default();
    object.kind.as_deref() == Some("Event") && (version == "v1" || version.starts_with("events.k8s.io/"))
}

impl EventRequests {
    /// Takes out all events that wait now.
    pub(crate) fn take(&mut self) -> Vec<EventRequest> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }

    /// The number of events that were dropped since the last call.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> EventRequest {
        let text = || text.to_owned();
        let (reason, message, handler) = (text(), text(), text());
        EventRequest {
            regarding: ObjectReference::default(),
            severity: Severity::Normal,
            reason,
            message,
            handler,
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_further_events() {
        let (queue, mut requests) = event_queue(10);
        (0..13).for_each(|_| queue.push(request("")));
        assert_eq!((requests.dropped(), requests.dropped(), requests.take().len()), (3, 0, 10));
    }

    #[test]
    fn long_messages_lose_their_middle() {
        let long = format!("a{}z", "ä".repeat(1000));
        let short = cut(long.clone(), MESSAGE_LIMIT);
        assert!((MESSAGE_LIMIT - 3..=MESSAGE_LIMIT).contains(&short.len()), "{}", short.len());
        assert!(short.starts_with("aä") && short.ends_with("äz") && short.contains("ä...ä"), "{short}");
        for same in ["", "short", &long[..1023]] {
            assert_eq!(cut(same.to_owned(), MESSAGE_LIMIT), same);
        }
    }

    #[test]
    fn no_text_waits_that_is_longer_than_it_may_be() {
        let (queue, mut requests) = event_queue(1);
        queue.push(request(&"x".repeat(1_000_000)));
        let [request] = &requests.take()[..] else { panic!("one request") };
        let lengths = [&request.reason, &request.message, &request.handler].map(String::len);
        assert_eq!(lengths, [127, 1023, 127]);
    }
}
