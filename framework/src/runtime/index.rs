//! Indexes: their functions are called for each state of an object that a watch shows, in the order of events, before
//! the queue takes the event in.

use super::{kind::KindContext, observe::Observation, worker::concerns};
use crate::{
    call::ObjectView,
    extract::{AnyIndex, Indexes},
    families::{Failure, IndexCall, IndexHandler},
    logging,
};
use korf_core::{
    Uid,
    body::Body,
    error::{Error, panic_message},
    index::keeps_entries,
    queue::Event,
};
use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

/// An index function, and the index that it fills.
pub struct Indexer {
    handler: IndexHandler,
    index: Arc<dyn AnyIndex>,
    /// The hashes of the failures that the log has told of, by the objects that they are about.
    told: Mutex<HashMap<Uid, u64>>,
}

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexer").field("handler", &self.handler).finish_non_exhaustive()
    }
}

impl Indexer {
    /// The function with its index.
    pub fn new(handler: IndexHandler, indexes: &Indexes) -> Option<Self> {
        let index = Arc::clone(indexes.any(handler.contents)?);
        Some(Self { handler, index, told: Mutex::default() })
    }

    /// Calls the function, unless its filter leaves the object out.
    fn call(&self, kind: &KindContext, view: &ObjectView) -> Result<(), Error> {
        let handler = &self.handler;
        let body = &view.body;
        let failed = |why: &dyn fmt::Display| Error::Unclassified(why.to_string().into());
        if !concerns(&handler.id, &handler.filter, body).map_err(|error| failed(&error))? {
            return self.remove(&body.uid().into());
        }
        let context = kind.operator.call(&handler.id, handler.param.as_ref());
        let call = IndexCall { context, view: view.clone() };
        match catch_unwind(AssertUnwindSafe(|| (handler.invoke)(call))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Failure::Failed(error))) => Err(error),
            Ok(Err(Failure::Rejected(rejection))) => Err(rejection.into_error()),
            // It has no sub-handlers.
            Ok(Err(Failure::Children { .. })) => Ok(()),
            Err(panic) => Err(failed(&panic_message(panic.as_ref()))),
        }
    }

    /// Removes an object's entries, which may call the user's code: the comparison of a key, or the end of a value.
    fn remove(&self, uid: &Uid) -> Result<(), Error> {
        let removed = catch_unwind(AssertUnwindSafe(|| self.index.remove(uid)));
        removed.map_err(|panic| Error::permanent(panic_message(panic.as_ref())))
    }

    /// Takes in how a call has ended; returns whether that is news.
    fn ended(&self, uid: &Uid, error: Option<&Error>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = error else {
            told.remove(uid);
            return false;
        };
        let mut hasher = DefaultHasher::new();
        error.to_string().hash(&mut hasher);
        let hash = hasher.finish();
        told.insert(uid.clone(), hash) != Some(hash)
    }
}

impl KindContext {
    /// Whether there are index functions.
    pub(super) fn is_indexed(&self) -> bool {
        !self.indexes.is_empty()
    }

    /// Takes an event of a watch into the indexes.
    pub(super) fn index(&self, event: &Event) {
        match event {
            Event::Listed(body) | Event::Applied(body) if self.is_indexed() => self.index_object(body),
            Event::Deleted(body) => self.unindex(body),
            _ => {}
        }
    }

    fn index_object(&self, body: &Body) {
        let cache = Arc::default();
        let view = ObjectView { kind: Arc::clone(&self.kind), body: body.clone(), fallback: None, cache };
        let uid = Uid::from(body.uid());
        let _span = logging::object_span(&self.kind, body).entered();
        for indexer in &self.indexes {
            let id = &indexer.handler.id;
            let failed = indexer.call(self, &view).err();
            let is_news = indexer.ended(&uid, failed.as_ref());
            let Some(error) = failed else {
                self.observe(Observation::Indexed { id });
                continue;
            };
            let kept = keeps_entries(&error, indexer.handler.errors);
            if !kept {
                // Where that fails, too, the error is the same.
                let _ = indexer.remove(&uid);
            }
            if is_news {
                self.observe(Observation::IndexFailed { id, error: &error, kept });
            }
        }
    }

    /// Removes an object that is gone from the indexes.
    pub(super) fn unindex(&self, body: &Body) {
        let uid = Uid::from(body.uid());
        for indexer in &self.indexes {
            let removed = indexer.remove(&uid);
            indexer.ended(&uid, None);
            if let Err(error) = removed {
                let _span = logging::object_span(&self.kind, body).entered();
                self.observe(Observation::IndexFailed {
                    id: &indexer.handler.id,
                    error: &error,
                    kept: false,
                });
            }
        }
    }
}
