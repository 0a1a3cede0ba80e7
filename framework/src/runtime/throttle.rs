//! Throttling: objects that never converge, or that the framework fails over, are delayed.

use super::{kind::KindContext, observe::Observation};
use crate::settings::Queueing;
use korf_core::{
    queue::{Fingerprint, TurnEnd},
    version::Newest,
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::Instant;

/// Why an object is throttled that never converges.
const NEVER_CONVERGES: &str = "the object never converges: something undoes what is written to it, or its handlers ask to \
                               be called again at once";

/// The passes of one turn, to notice an object that never converges.
#[derive(Default)]
pub struct Pace(VecDeque<Instant>);

impl Pace {
    /// Counts a pass; true if there were too many of them in a short time.
    pub fn is_exceeded(&mut self, handlers: usize, limits: &Queueing) -> bool {
        let now = Instant::now();
        self.0.push_back(now);
        self.0.len() > limits.passes + handlers
            && self.0.pop_front().is_some_and(|first| now - first < limits.pass_window)
    }
}

impl KindContext {
    /// The end of a turn that never converges.
    pub(super) fn never_converges(&self, errors: usize, newest: Newest) -> TurnEnd {
        self.failed(errors, NEVER_CONVERGES, Some(newest))
    }

    /// The end of a turn whose object can't be read.
    pub(super) fn unread(&self, errors: usize, why: &str) -> TurnEnd {
        TurnEnd::Unread { delay: self.throttle(errors, &format!("the object can't be read: {why}")) }
    }

    /// The end of a turn that the framework has failed in; the delay grows with the number of such turns in a row.
    pub(super) fn failed(&self, errors: usize, why: &str, newest: Option<Newest>) -> TurnEnd {
        TurnEnd::Failed { delay: self.throttle(errors, why), newest }
    }

    fn throttle(&self, errors: usize, why: &str) -> Duration {
        let delays = &self.operator.settings.queueing.error_delays;
        let delay = delays.get(errors).or(delays.last()).copied().unwrap_or(Duration::from_secs(1));
        self.observe(Observation::Throttled { delay, why });
        delay
    }
}

/// Hashes an essence.
pub fn fingerprint(essence: &Value) -> Fingerprint {
    let whole = hash(essence);
    let annotated = essence["metadata"].get("annotations").is_some();
    let state = if annotated { hash(&without_annotations(essence.clone())) } else { whole };
    Fingerprint { whole, state }
}

fn without_annotations(mut essence: Value) -> Value {
    if let Some(metadata) = essence.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        if metadata.is_empty() {
            // As in the essence of an object that has none.
            essence.as_object_mut().map(|essence| essence.remove("metadata"));
        }
    }
    essence
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}
