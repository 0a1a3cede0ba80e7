//! Related objects: mapping functions are called for each change that a watch shows, and their results are triggered.

use super::{
    kind::KindContext,
    observe::Observation,
    triggers::{Giver, Target},
    worker::concerns,
};
use crate::{
    call::ObjectView,
    families::{Failure, Named, RelatedCall, RelatedHandler},
    logging,
};
use korf_core::{Uid, body::Body, error::panic_message, queue::Event};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    iter, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The mapping functions of one kind, and what its watches have shown.
#[derive(Debug, Default)]
pub struct Relations {
    handlers: Vec<RelatedHandler>,
    shown: Mutex<HashMap<Uid, Shown>>,
}

/// What is remembered of an object, so that a listing that shows nothing new calls nothing, and one that doesn't show it any
/// more is news.
#[derive(Debug, Default)]
struct Shown {
    version: Box<str>,
    labels: Option<Value>,
    /// What each function has made of it.
    mapped: Vec<Mapped>,
}

/// What a function has made of an object.
#[derive(Debug, Default)]
struct Mapped {
    /// What it has returned last: when the object changes, that is concerned, too.
    objects: BTreeSet<Named>,
    /// The hash of its failure, if the log has told of it.
    told: Option<u64>,
}

impl Relations {
    /// Adds a mapping function.
    pub fn add(&mut self, handler: RelatedHandler) {
        self.handlers.push(handler);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<Uid, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a state that a watch shows; returns, if it is news, what was made of the one before.
    fn show(&self, body: &Body) -> Option<Vec<Mapped>> {
        let mut all = self.shown();
        let known = all.entry(body.uid().into()).or_default();
        (*known.version != *body.version()).then(|| {
            known.version = body.version().into();
            known.labels = body.value()["metadata"].get("labels").cloned();
            mem::take(&mut known.mapped)
        })
    }

    /// Takes in what was made of a state.
    fn remember(&self, body: &Body, mapped: Vec<Mapped>) {
        if let Some(known) = self.shown().get_mut(&body.uid().into()) {
            known.mapped = mapped;
        }
    }

    /// Takes in that an object is gone; returns it with its last labels, and what was made of it, if it was known.
    fn bury(&self, body: &Body) -> Option<(Body, Vec<Mapped>)> {
        let Shown { labels, mapped, .. } = self.shown().remove(&body.uid().into())?;
        let mut last = body.value().clone();
        if let (Some(labels), None) = (labels, last["metadata"].get("labels")) {
            last["metadata"]["labels"] = labels;
        }
        Some((last.into(), mapped))
    }
}

impl KindContext {
    /// Triggers what is related to the object of a watch's event.
    pub(super) fn relate(&self, event: &Event) {
        if self.relations.handlers.is_empty() {
            return;
        }
        match event {
            Event::Listed(body) | Event::Applied(body) => {
                if let Some(before) = self.relations.show(body) {
                    self.relations.remember(body, self.map(body, before, true));
                }
            }
            Event::Deleted(body) => self.relate_buried(body, true),
            _ => {}
        }
    }

    /// Triggers what is related to an object that a listing no longer shows. Only its name and its labels are known: if that
    /// isn't enough for a function, what it has returned before counts.
    pub(super) fn relate_gone(&self, body: &Body) {
        self.relate_buried(body, false);
    }

    fn relate_buried(&self, body: &Body, shown: bool) {
        if let Some((last, before)) = self.relations.bury(body) {
            self.map(&last, before, shown);
        }
    }

    /// Triggers what the functions return for an object, and what they have returned before; tells of failures that are news,
    /// if they matter.
    fn map(&self, body: &Body, before: Vec<Mapped>, matter: bool) -> Vec<Mapped> {
        let cache = Arc::default();
        let view = ObjectView { kind: Arc::clone(&self.kind), body: body.clone(), fallback: None, cache };
        let _span = logging::object_span(&self.kind, body).entered();
        let handlers = self.relations.handlers.iter();
        let before = before.into_iter().chain(iter::repeat_with(Mapped::default));
        let mapped = handlers.zip(before).map(|(handler, before)| {
            let (objects, told) = match self.mapped(handler, &view) {
                Ok(objects) => (objects, None),
                Err(why) => {
                    let told = Some(hash(&why));
                    if matter && before.told != told {
                        self.observe(Observation::MappingFailed { id: &handler.id, why: &why });
                    }
                    (before.objects.clone(), told)
                }
            };
            for object in objects.union(&before.objects) {
                let target = Target::new(&handler.target, Some(object.clone()));
                self.operator.triggers.give(target, Giver::everywhere(&handler.id));
            }
            Mapped { objects, told }
        });
        mapped.collect()
    }

    /// The objects that a mapping function returns, if it is for this object.
    fn mapped(&self, handler: &RelatedHandler, view: &ObjectView) -> Result<BTreeSet<Named>, String> {
        if !concerns(&handler.id, &handler.filter, &view.body).map_err(|error| error.to_string())? {
            return Ok(BTreeSet::new());
        }
        let context = self.operator.call(&handler.id, handler.param.as_ref());
        let call = RelatedCall { context, view: view.clone() };
        match catch_unwind(AssertUnwindSafe(|| (handler.invoke)(call))) {
            Ok(Ok(objects)) => Ok(objects.into_iter().collect()),
            Ok(Err(Failure::Rejected(rejection))) => Err(rejection.to_string()),
            Ok(Err(Failure::Failed(error))) => Err(error.to_string()),
            // It has no sub-handlers.
            Ok(Err(Failure::Children { .. })) => Ok(BTreeSet::new()),
            Err(panic) => Err(panic_message(panic.as_ref())),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_another_version_is_news_and_a_deletion_has_the_last_labels() {
        let relations = Relations::default();
        let body = |version: &str| -> Body {
            let metadata =
                json!({"name": "a", "uid": "u", "resourceVersion": version, "labels": {"app": "x"}});
            json!({ "metadata": metadata }).into()
        };
        assert!(relations.show(&body("1")).is_some());
        assert!(relations.show(&body("1")).is_none(), "a listing shows it again");
        assert!(relations.show(&body("2")).is_some());
        let gone: Body = json!({"metadata": {"name": "a", "uid": "u"}}).into();
        let (last, _) = relations.bury(&gone).unwrap();
        assert_eq!(last.value()["metadata"]["labels"], json!({"app": "x"}));
        assert!(relations.bury(&gone).is_none(), "it is known no more");
    }
}
