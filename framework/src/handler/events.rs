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

/// An event to be posted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// Whether something isn't as it should be.
    pub severity: Severity,
    /// Why it is posted, in one word for machines: `TableCreated`.
    pub reason: String,
    /// What is to be said, for people.
    pub message: String,
    /// The id of the handler.
    pub handler: String,
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
    /// Puts in an event. It is dropped where too many are waiting.
    pub(crate) fn put(&self, notice: Notice) {
        let mut waiting = self.waiting();
        if waiting.len() < CAPACITY {
            waiting.push_back(notice);
        } else {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(waiting);
        self.0.news.notify_one();
    }

    /// The event that has waited longest. It stays until it is [done with](Self::remove_first).
    pub(crate) fn first(&self) -> Option<Notice> {
        self.waiting().front().cloned()
    }

    /// Takes out the event that has waited longest.
    pub(crate) fn remove_first(&self) {
        self.waiting().pop_front();
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
