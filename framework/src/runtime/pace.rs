//! How fast an object is handled again: what tells restlessness, breakdowns, and changes that end a wait.

use super::{
    queue::{Fingerprint, Finish},
    report,
};
use crate::core::{body::Body, cycle::Setup, version::Newest};
use serde_json::Value;
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::Instant;

/// What there is to say of an object that comes to no rest.
const RESTLESS: &str = "the object comes to no rest: what is written to it does not stay, or its handlers ask to be \
                        called again at once";

/// Restless is who has so many passes, and one for each of its handlers, in this time.
const PASSES: usize = 16;
const SHORT: Duration = Duration::from_secs(5);

/// The delays after failures inside the framework, as Kopf has them (`queueing.error_delays`), in seconds.
const ERROR_DELAYS: [u64; 15] = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610];

/// Tells when an object comes to no rest: something undoes what is written, and handlers would be called
/// without end.
#[derive(Default)]
pub struct Pace(VecDeque<Instant>);

impl Pace {
    /// Counts a pass; true where there were too many of them in a short time.
    pub fn is_restless(&mut self, handlers: usize) -> bool {
        let now = Instant::now();
        self.0.push_back(now);
        self.0.len() > PASSES + handlers && self.0.pop_front().is_some_and(|first| now - first < SHORT)
    }
}

/// An object that comes to no rest is left alone for a while.
pub fn restless(errors: usize, newest: Newest) -> Finish {
    broken(errors, RESTLESS, Some(newest))
}

/// An object that can't be read is left alone for a while, or until the watch shows it.
pub fn unread(errors: usize, why: &str) -> Finish {
    Finish::Unread { delay: throttle(errors, &format!("the object can't be read: {why}")) }
}

/// An object that the framework breaks down over is left alone for a while, the longer the more often in a row.
pub fn broken(errors: usize, why: &str, newest: Option<Newest>) -> Finish {
    Finish::Broken { delay: throttle(errors, why), newest }
}

fn throttle(errors: usize, why: &str) -> Duration {
    let delay = Duration::from_secs(ERROR_DELAYS[errors.min(ERROR_DELAYS.len() - 1)]);
    report::throttling(delay, why);
    delay
}

/// An object's essence in so many bytes that a change of it shows.
pub fn fingerprint(setup: &Setup, body: &Body) -> Fingerprint {
    let mut essence = setup.essence(body);
    let whole = number(&essence);
    if let Some(metadata) = essence.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        if metadata.is_empty() {
            // As in the essence of an object that has none.
            essence.as_object_mut().map(|essence| essence.remove("metadata"));
        }
    }
    Fingerprint { whole, state: number(&essence) }
}

fn number(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}
