//! Kubernetes events that handlers ask for, on their way to who posts them.

use k8s_openapi::api::core::v1::ObjectReference;
use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// How many events may wait; what comes then is dropped.
pub(crate) const CAPACITY: usize = 1000;

/// What Kubernetes takes of a message, in bytes.
const MESSAGE_LIMIT: usize = 1024;
/// What it takes of the other texts.
pub(crate) const WORD_LIMIT: usize = 128;

const CUT: &str = "...";

/// An event to be posted. Its texts are as long as Kubernetes takes them: longer ones lose their middle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// Whether something isn't as it should be.
    pub severity: Severity,
    /// Why it is posted, in one word for machines: `TableCreated`. At most 128 bytes.
    pub reason: String,
    /// What is to be said, for people. At most 1024 bytes.
    pub message: String,
    /// The id of the handler. At most 128 bytes.
    pub handler: String,
}

impl Notice {
    fn cut(mut self) -> Self {
        self.reason = cut(self.reason, WORD_LIMIT);
        self.message = cut(self.message, MESSAGE_LIMIT);
        self.handler = cut(self.handler, WORD_LIMIT);
        self
    }
}

/// At most so many bytes: of what is longer, the beginning and the end, where the most is said.
pub(crate) fn cut(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let half = (limit - CUT.len()) / 2;
    let (begin, end) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}{CUT}{}", &text[..begin], &text[end..])
}

/// What kind of event it is: Kubernetes has these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something has happened, as it should.
    Normal,
    /// Something isn't as it should be.
    Warning,
}

impl Severity {
    /// The `type` of the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Events that wait to be posted. Its clones are one; nobody waits who puts something into it.
#[derive(Clone, Debug, Default)]
pub struct Postbox(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<Notice>>,
    dropped: AtomicUsize,
    news: Notify,
}

impl Postbox {
    /// Puts in an event, cut to what Kubernetes takes, so that what waits has a limit in bytes, too. It is dropped where
    /// too many are waiting.
    pub(crate) fn put(&self, notice: Notice) {
        let notice = notice.cut();
        let mut waiting = self.waiting();
        if waiting.len() < CAPACITY {
            waiting.push_back(notice);
        } else {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(waiting);
        self.0.news.notify_one();
    }

    /// Takes out the event that has waited longest.
    pub(crate) fn pop(&self) -> Option<Notice> {
        self.waiting().pop_front()
    }

    /// Takes out all events.
    pub(crate) fn take(&self) -> Vec<Notice> {
        mem::take(&mut *self.waiting()).into()
    }

    /// How many events were dropped since the last call.
    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.swap(0, Ordering::Relaxed)
    }

    /// Waits until something was put in. For one at a time.
    pub(crate) async fn news(&self) {
        self.0.news.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(text: &str) -> Notice {
        let text = || text.to_owned();
        let (reason, message, handler) = (text(), text(), text());
        Notice { regarding: ObjectReference::default(), severity: Severity::Normal, reason, message, handler }
    }

    #[test]
    fn the_box_is_never_fuller_than_it_may_be() {
        let postbox = Postbox::default();
        (0..CAPACITY + 3).for_each(|_| postbox.put(notice("")));
        assert_eq!((postbox.dropped(), postbox.dropped(), postbox.take().len()), (3, 0, CAPACITY));
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
        let postbox = Postbox::default();
        postbox.put(notice(&"x".repeat(1_000_000)));
        let [notice] = &postbox.take()[..] else { panic!("one notice") };
        let lengths = [&notice.reason, &notice.message, &notice.handler].map(String::len);
        assert_eq!(lengths, [127, 1023, 127]);
    }
}
