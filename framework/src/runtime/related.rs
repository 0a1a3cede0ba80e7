//! Related objects: mapping functions are called for each change that a watch shows, and their results are triggered.

use super::{kind::KindContext, observe::Observation, triggers::Target, worker::concerns};
use crate::{
    call::ObjectView,
    families::{Failure, Named, RelatedCall, RelatedHandler},
    logging,
};
use korf_core::{Uid, body::Body, error::panic_message, queue::Event};
use serde_json::Value;
use std::{
    collections::HashMap,
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
#[derive(Debug, PartialEq)]
struct Shown {
    version: Box<str>,
    labels: Option<Value>,
}

impl Relations {
    /// Adds a mapping function.
    pub fn add(&mut self, handler: RelatedHandler) {
        self.handlers.push(handler);
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<Uid, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a state that a watch shows; returns whether it is news.
    fn show(&self, body: &Body) -> bool {
        let labels = body.value()["metadata"].get("labels").cloned();
        let shown = Shown { version: body.version().into(), labels };
        let version = shown.version.clone();
        self.shown().insert(body.uid().into(), shown).is_none_or(|before| before.version != version)
    }

    /// Takes in that an object is gone; returns it with its last labels, if it was known.
    fn bury(&self, body: &Body) -> Option<Body> {
        let Shown { labels, .. } = self.shown().remove(&body.uid().into())?;
        let mut last = body.value().clone();
        if let (Some(labels), None) = (labels, last["metadata"].get("labels")) {
            last["metadata"]["labels"] = labels;
        }
        Some(last.into())
    }
}

impl KindContext {
    /// Triggers what is related to the object of a watch's event.
    pub(super) fn relate(&self, event: &Event) {
        if self.relations.handlers.is_empty() {
            return;
        }
        match event {
            Event::Listed(body) | Event::Applied(body) if self.relations.show(body) => self.map(body),
            Event::Deleted(body) => self.relate_gone(body),
            _ => {}
        }
    }

    /// Triggers what is related to an object that is gone.
    pub(super) fn relate_gone(&self, body: &Body) {
        if let Some(last) = self.relations.bury(body) {
            self.map(&last);
        }
    }

    fn map(&self, body: &Body) {
        let cache = Arc::default();
        let view = ObjectView { kind: Arc::clone(&self.kind), body: body.clone(), fallback: None, cache };
        let _span = logging::object_span(&self.kind, body).entered();
        for handler in &self.relations.handlers {
            match self.mapped(handler, &view) {
                Ok(objects) => {
                    for object in objects {
                        self.operator.triggers.give(Target::new(&handler.target, Some(object)), &handler.id);
                    }
                }
                Err(why) => self.observe(Observation::MappingFailed { id: &handler.id, why: &why }),
            }
        }
    }

    /// The objects that a mapping function returns, if it is for this object.
    fn mapped(&self, handler: &RelatedHandler, view: &ObjectView) -> Result<Vec<Named>, String> {
        if !concerns(&handler.id, &handler.filter, &view.body).map_err(|error| error.to_string())? {
            return Ok(Vec::new());
        }
        let context = self.operator.call(&handler.id, handler.param.as_ref());
        let call = RelatedCall { context, view: view.clone() };
        match catch_unwind(AssertUnwindSafe(|| (handler.invoke)(call))) {
            Ok(Ok(objects)) => Ok(objects),
            Ok(Err(Failure::Rejected(rejection))) => Err(rejection.to_string()),
            Ok(Err(Failure::Failed(error))) => Err(error.to_string()),
            // It has no sub-handlers.
            Ok(Err(Failure::Waiting { .. })) => Ok(Vec::new()),
            Err(panic) => Err(panic_message(panic.as_ref())),
        }
    }
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
        assert!(relations.show(&body("1")));
        assert!(!relations.show(&body("1")), "a listing shows it again");
        assert!(relations.show(&body("2")));
        let gone: Body = json!({"metadata": {"name": "a", "uid": "u"}}).into();
        let last = relations.bury(&gone).unwrap();
        assert_eq!(last.value()["metadata"]["labels"], json!({"app": "x"}));
        assert!(relations.bury(&gone).is_none(), "it is known no more");
    }
}
