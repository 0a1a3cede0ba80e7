//! Model of one object, its kind's handlers and the API server.

use super::*;
use crate::storage::tests::kopf;

pub const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
pub const PREFIX: &str = "kopf.zalando.org";

/// One object and its kind's handlers. Merge patches stand in for the API server.
pub struct World {
    pub setup: Setup,
    /// Why the object is resumed, until it was.
    pub resumption: Option<Resumption>,
    pub eager: bool,
    pub object: Value,
    pub version: u64,
    pub now: Timestamp,
    /// The number of patches so far.
    pub writes: usize,
}

pub fn handler(id: &str, reason: Reason) -> ChangeHandler {
    let on = match reason {
        Reason::Create => OnChange::Create,
        Reason::Update => OnChange::Update,
        Reason::Delete => OnChange::Delete { optional: false, release_on_failure: false },
        _ => OnChange::Resume { deleted: false, resync: None },
    };
    let limits = Limits { backoff: Backoff::Constant(Duration::from_secs(10)), ..Limits::default() };
    ChangeHandler { id: id.into(), on, filter: Filter::default(), limits, invoke: () }
}

pub fn retry() -> Outcome {
    Outcome::Retry { after: Duration::from_secs(10), message: "not yet".into() }
}

pub fn failure() -> Outcome {
    Outcome::Failed { message: "never".into() }
}

pub fn rejection() -> Outcome {
    Outcome::Rejected { message: "what is this".into() }
}

impl World {
    pub fn new(handlers: impl IntoIterator<Item = ChangeHandler>) -> Self {
        Self {
            setup: Setup { storage: kopf(), handlers: handlers.into_iter().collect(), one_at_a_time: false },
            resumption: None,
            eager: false,
            object: json!({"apiVersion": "korf.dev/v1", "kind": "Thing",
                           "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {"x": 1}}),
            version: 1,
            now: "2026-11-22T14:53:30Z".parse().unwrap(),
            writes: 0,
        }
    }

    pub fn handled(handlers: impl IntoIterator<Item = ChangeHandler>) -> Self {
        let mut world = Self::new(handlers);
        world.turn(Occasion::First, &succeed);
        world.writes = 0;
        world
    }

    pub fn body(&self) -> Body {
        let mut object = self.object.clone();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object.into()
    }

    pub fn reading(&self) -> Reading {
        Reading::of(&self.setup, self.body(), self.now)
    }

    /// Plans what comes next.
    pub fn plan(&self, situation: Situation) -> Plan {
        plan(&self.setup, &self.reading(), situation, self.now).unwrap()
    }

    /// Settles a cycle and writes the result.
    pub fn settle(&mut self, cycle: &Cycle, outcomes: &[HandlerOutcome]) -> CycleState {
        let settled = cycle.settle(&self.setup, &self.body(), outcomes, self.now).unwrap();
        let patch = settled.edits(&self.setup.storage, &self.body()).next().unwrap();
        self.write(&patch);
        settled.state
    }

    /// A user sets `spec.x`.
    pub fn set(&mut self, x: u64) {
        self.object["spec"]["x"] = x.into();
        self.version += 1;
    }

    pub fn delete(&mut self) {
        self.object["metadata"]["deletionTimestamp"] = "2026-11-22T15:00:00Z".into();
        self.version += 1;
    }

    pub fn write(&mut self, patch: &Edits) {
        if let Some(request) = patch.request(Part::Object, &self.body(), false) {
            let mut merge = request.patch;
            merge["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            json_patch::merge(&mut self.object, &merge);
            self.version += 1;
            self.writes += 1;
        }
    }

    /// Plans and acts until nothing more is due. Returns the calls, with the old and the new `x`, and the states of the
    /// cycles.
    pub fn turn(&mut self, mut occasion: Occasion, outcome: &dyn Fn(&str) -> Outcome) -> Vec<String> {
        let mut trace = Vec::new();
        for _ in 0..20 {
            let reading = self.reading();
            match plan(&self.setup, &reading, self.situation(occasion), self.now).unwrap() {
                Plan::Idle(idle) => {
                    trace.push(format!("{idle:?}"));
                    return trace;
                }
                Plan::Wait(until) => {
                    trace.push(format!("wait {}", until.duration_since(self.now).as_secs()));
                    return trace;
                }
                Plan::Write(change) => self.write(&change.into()),
                Plan::Run(cycle) => {
                    trace.extend(cycle.ready.iter().map(|ready| self.called(&cycle, *ready)));
                    let outcomes: Vec<_> = cycle
                        .ready
                        .iter()
                        .map(|ready| HandlerOutcome {
                            ready: *ready,
                            outcome: outcome(&self.setup.handlers[ready.handler].id),
                            subs: Vec::new(),
                        })
                        .collect();
                    let state = self.settle(&cycle, &outcomes);
                    let reason = self.resumption.map(Resumption::reason);
                    let over = self.resumption == Some(Resumption::Start) || reason == Some(cycle.reason);
                    self.resumption = self.resumption.filter(|_| !(over && state.is_settled()));
                    trace.push(described(&state));
                    occasion = Occasion::Again;
                }
            }
        }
        panic!("the turn doesn't end: {trace:?}");
    }

    pub fn situation(&self, occasion: Occasion) -> Situation {
        Situation {
            gone: false,
            occasion,
            resumption: self.resumption,
            rearmed: occasion == Occasion::Changed,
            eager: self.eager,
            hold: Hold::None,
        }
    }

    pub fn called(&self, cycle: &Cycle, ready: Ready) -> String {
        let x = |essence: &Value| essence["spec"]["x"].to_string();
        let old = cycle.old.as_deref().map(|old| format!("{}→", x(old))).unwrap_or_default();
        format!("{} {old}{} #{}", self.setup.handlers[ready.handler].id, x(&cycle.new), ready.attempt.before)
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    /// The reason in a handler's record, as it is stored.
    pub fn purpose(&self, id: &str) -> String {
        let stored = self.object["metadata"]["annotations"][format!("{PREFIX}/{id}")].as_str().unwrap();
        serde_json::from_str::<Value>(stored).unwrap()["purpose"].as_str().unwrap().to_owned()
    }

    pub fn annotations(&self) -> Vec<String> {
        let annotations = self.object["metadata"]["annotations"].as_object();
        annotations
            .into_iter()
            .flat_map(|map| map.keys().map(|key| key.replace(&format!("{PREFIX}/"), "")))
            .collect()
    }

    pub fn finalizers(&self) -> &Value {
        &self.object["metadata"]["finalizers"]
    }
}

pub fn described(state: &CycleState) -> String {
    match state {
        CycleState::Open(due) => format!("open {}", due.as_secs()),
        CycleState::Processed(Counts { succeeded, failed, .. }) => format!("processed {succeeded}/{failed}"),
        CycleState::Rejected(Counts { succeeded, failed, .. }) => format!("rejected {succeeded}/{failed}"),
        CycleState::Held(Counts { succeeded, failed, .. }) => format!("held {succeeded}/{failed}"),
        state => format!("{state:?}"),
    }
}

pub fn succeed(_: &str) -> Outcome {
    Outcome::Success
}

pub fn postpone(_: &str) -> Outcome {
    retry()
}

pub fn fail(_: &str) -> Outcome {
    failure()
}

pub fn reject(_: &str) -> Outcome {
    rejection()
}

pub fn resuming() -> ChangeHandler {
    handler("r", Reason::Resume)
}

pub fn labelled(id: &str, reason: Reason) -> ChangeHandler {
    let labels = vec![("app".to_owned(), Match::Present)];
    ChangeHandler { filter: Filter { labels, ..Filter::default() }, ..handler(id, reason) }
}

pub fn on_field(id: &str, on: OnChange, field: &str) -> ChangeHandler {
    ChangeHandler {
        on,
        filter: Filter { field: Some(field.into()), ..Filter::default() },
        ..handler(id, Reason::Update)
    }
}
