//! Probes: what an operator's probe handlers say of it, as one JSON object.

use super::{
    activity::ActivityCaller,
    clock,
    observe::{Observation, Observer},
};
use crate::{
    extract::OperatorSetup,
    families::{Activity, ActivityReply},
    settings::Probing,
};
use futures::future::join_all;
use korf_core::retry::{Attempt, Outcome};
use serde_json::{Map, Value, json};
use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync,
    time::{Instant, timeout},
};
use tracing::{Instrument, Span};

/// The probes of one operator.
pub struct Probes {
    activities: Vec<Activity>,
    caller: ActivityCaller,
    setup: OperatorSetup,
    settings: Probing,
    /// The operator's span, for what they log.
    span: Span,
    /// The last answer. Who asks meanwhile waits for the next one.
    answer: sync::Mutex<Option<(Instant, Value)>>,
    /// Those that have failed in the last answer.
    failing: Mutex<HashSet<String>>,
}

// By hand: a client holds credentials.
impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("activities", &self.activities).finish_non_exhaustive()
    }
}

impl Probes {
    /// Probes with nobody asking for them yet.
    pub fn new(
        activities: Vec<Activity>,
        caller: ActivityCaller,
        setup: OperatorSetup,
        settings: Probing,
    ) -> Self {
        let (answer, failing) = (sync::Mutex::default(), Mutex::default());
        Self { activities, caller, setup, settings, span: Span::current(), answer, failing }
    }
}

impl Probes {
    /// What each probe says, by its id, in one JSON object. One that fails, panics or takes too long has an object with its
    /// `error` there. All are called at the same time; an answer is good for a while (`probing.max_age`).
    pub async fn answer(&self) -> Value {
        let mut answer = self.answer.lock().await;
        if let Some((at, known)) = &*answer
            && at.elapsed() < self.settings.max_age
        {
            return known.clone();
        }
        let said = join_all(self.activities.iter().map(|probe| self.ask(probe))).await;
        let new = Value::Object(said.into_iter().collect::<Map<_, _>>());
        *answer = Some((Instant::now(), new.clone()));
        new
    }

    /// Whether a probe has failed in the last answer.
    pub fn has_failed(&self) -> bool {
        !self.failing.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    async fn ask(&self, probe: &Activity) -> (String, Value) {
        let limit = probe.limits.timeout.unwrap_or(self.settings.timeout);
        let first = Attempt { before: 0, elapsed: Duration::ZERO };
        let attempt = self.caller.attempt(probe, &self.setup, first, clock::now());
        let said = match timeout(limit, attempt.instrument(self.span.clone())).await {
            Ok((judged, words)) => judged.reply.ok_or_else(|| {
                let message = match judged.verdict.outcome {
                    Outcome::Waiting { message, .. } => Some(message),
                    _ => judged.verdict.failure.map(|failure| failure.message),
                };
                message.filter(|message| !message.is_empty()).unwrap_or(words)
            }),
            Err(_) => Err(format!("has not answered within {limit:?}")),
        };
        self.note(&probe.id, said.as_ref().err().map(String::as_str));
        let value = match said {
            Ok(ActivityReply::Probed(value)) => value,
            Ok(_) => Value::Null,
            Err(why) => json!({ "error": why }),
        };
        (probe.id.clone(), value)
    }

    /// Tells when a probe begins to fail, and when it no longer does.
    fn note(&self, id: &str, why: Option<&str>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let observer: &Observer = &self.caller.observer;
        match why {
            Some(why) if failing.insert(id.to_owned()) => {
                observer.observe(Observation::ProbeFails { id, why });
            }
            None if failing.remove(id) => observer.observe(Observation::ProbeRecovers { id }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{Error, Result},
        on_probe,
        runtime::observe::Sink,
        settings::Settings,
    };
    use kube::{Client, client::Body};
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tokio::time::advance;
    use tokio_util::sync::CancellationToken;
    use tower::service_fn;

    /// Probes, and the lines of those that begin or cease to fail.
    fn probes(activities: Vec<Activity>) -> (Probes, Arc<Mutex<Vec<String>>>) {
        let nowhere =
            service_fn(|_: http::Request<Body>| async { Err::<http::Response<Body>, _>("nowhere") });
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&lines);
        let sink = move |observation: &Observation<'_>| match observation {
            Observation::ProbeFails { id, why } => seen.lock().unwrap().push(format!("{id}: {why}")),
            Observation::ProbeRecovers { id } => seen.lock().unwrap().push(format!("{id} answers")),
            _ => {}
        };
        let (settings, observer) = (Settings::default(), Observer::new([Arc::new(sink) as Sink]));
        let client = Client::new(nowhere, "default");
        let caller = ActivityCaller::new(client, CancellationToken::new(), observer, &settings);
        (Probes::new(activities, caller, OperatorSetup::default(), settings.probing), lines)
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_panics_fails_or_hangs_has_an_error_and_the_others_answer() {
        let activities = vec![
            on_probe("count").run(async || Ok(7)),
            on_probe("fails").run(async || Err::<u8, _>(Error::new("no route"))),
            on_probe("hangs").run(async || {
                pending::<()>().await;
                Ok(())
            }),
            on_probe("panics").run(async || -> Result<()> { panic!("oops") }),
            on_probe("short").timeout(Duration::from_millis(5)).run(async || {
                pending::<()>().await;
                Ok(())
            }),
            on_probe("waits")
                .run(async || Err::<u8, _>(Error::waiting("no cache yet", Duration::from_secs(1)))),
        ];
        let (probes, lines) = probes(activities);
        let begun = Instant::now();
        let expected = json!({
            "count": 7,
            "fails": { "error": "no route" },
            "hangs": { "error": "has not answered within 800ms" },
            "panics": { "error": "it panicked: oops" },
            "short": { "error": "has not answered within 5ms" },
            "waits": { "error": "no cache yet" },
        });
        assert_eq!(probes.answer().await, expected);
        assert_eq!(begun.elapsed(), Duration::from_millis(800), "all are asked at the same time");
        advance(Duration::from_secs(10)).await;
        assert_eq!(probes.answer().await, expected);
        let mut lines = lines.lock().unwrap().clone();
        lines.sort();
        assert_eq!(
            lines,
            [
                "fails: no route",
                "hangs: has not answered within 800ms",
                "panics: it panicked: oops",
                "short: has not answered within 5ms",
                "waits: no cache yet",
            ],
            "once each"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_good_for_ten_seconds_and_those_who_ask_at_once_share_one() {
        let calls = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&calls);
        let probe = on_probe("count").run(move || {
            let count = Arc::clone(&count);
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                match count.fetch_add(1, Ordering::Relaxed) {
                    1 => Err(Error::new("no route")),
                    number => Ok(number),
                }
            }
        });
        let (probes, lines) = probes(vec![probe]);
        let (one, other) = tokio::join!(probes.answer(), probes.answer());
        assert_eq!((one, other), (json!({"count": 0}), json!({"count": 0})));
        advance(Duration::from_millis(9_999)).await;
        assert_eq!(probes.answer().await, json!({"count": 0}));
        advance(Duration::from_millis(1)).await;
        assert_eq!(probes.answer().await, json!({"count": { "error": "no route" }}));
        advance(Duration::from_secs(10)).await;
        assert_eq!(probes.answer().await, json!({"count": 2}));
        assert_eq!(*lines.lock().unwrap(), ["count: no route", "count answers"]);
    }
}
