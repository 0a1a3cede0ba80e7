//! One object, its kind's handlers, and the API server's part.

use super::*;

pub const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
pub const PREFIX: &str = "kopf.zalando.org";

/// One object and the kind's handlers, with the API server's part played by merge patches: enough to walk
/// through whole cycles.
pub struct World {
    pub setup: Setup,
    /// A listing showed the object first, and it wasn't handled to the end since.
    pub initial: bool,
    pub eager: bool,
    pub object: Value,
    pub version: u64,
    pub now: Timestamp,
    /// Patches of the object so far.
    pub writes: usize,
}

pub fn task(id: &str, reason: Reason) -> Task {
    let on = match reason {
        Reason::Create => Trigger::Create,
        Reason::Update => Trigger::Update,
        Reason::Delete => Trigger::Delete { optional: false, lets_go: false },
        Reason::Resume => Trigger::Resume { deleted: false },
    };
    let limits = Limits { backoff: Backoff::Constant(Duration::from_secs(10)), ..Limits::default() };
    Task { id: id.into(), on, filter: Filter::default(), limits }
}

pub fn retry() -> Outcome {
    Outcome::Retry { after: Duration::from_secs(10), message: "not yet".into() }
}

pub fn gave_up() -> Outcome {
    Outcome::GaveUp { message: "never".into() }
}

pub fn unreadable() -> Outcome {
    Outcome::Unreadable { message: "what is this".into() }
}

impl World {
    pub fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self {
            setup: Setup {
                storage: Storage::kopf(),
                tasks: tasks.into_iter().collect(),
                one_at_a_time: false,
            },
            initial: false,
            eager: false,
            object: json!({"apiVersion": "korf.dev/v1", "kind": "Thing",
                           "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {"x": 1}}),
            version: 1,
            now: "2026-11-22T14:53:30Z".parse().unwrap(),
            writes: 0,
        }
    }

    pub fn handled(tasks: impl IntoIterator<Item = Task>) -> Self {
        let mut world = Self::new(tasks);
        world.turn(Look::First, &|_| Outcome::Success);
        world.writes = 0;
        world
    }

    pub fn body(&self) -> Body {
        let mut object = self.object.clone();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object.into()
    }

    /// Somebody sets `spec.x`.
    pub fn set(&mut self, x: u64) {
        self.object["spec"]["x"] = x.into();
        self.version += 1;
    }

    pub fn delete(&mut self) {
        self.object["metadata"]["deletionTimestamp"] = "2026-11-22T15:00:00Z".into();
        self.version += 1;
    }

    pub fn write(&mut self, patch: &Patch) {
        if let Some(request) = patch.request(Part::Object, &self.body(), false) {
            let mut merge = request.patch;
            merge["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            json_patch::merge(&mut self.object, &merge);
            self.version += 1;
            self.writes += 1;
        }
    }

    /// Plans and acts until there is nothing more to do now; says what was called, with the `x` that it saw
    /// (and the old one), and how it ended.
    pub fn turn(&mut self, mut look: Look, outcome: &dyn Fn(&str) -> Outcome) -> Vec<String> {
        let mut trace = Vec::new();
        for _ in 0..20 {
            match plan(&self.setup, &self.body(), self.sight(look), self.now) {
                Plan::Rest(rest) => {
                    trace.push(format!("{rest:?}"));
                    return trace;
                }
                Plan::Wait(until) => {
                    trace.push(format!("wait {}", until.duration_since(self.now).as_secs()));
                    return trace;
                }
                Plan::Write(change) => self.write(&Patch::of_finalizer(change)),
                Plan::Run(cycle) => {
                    trace.extend(cycle.ready.iter().map(|ready| self.seen(&cycle, *ready)));
                    let outcomes: Vec<_> = cycle
                        .ready
                        .iter()
                        .map(|ready| Done {
                            ready: *ready,
                            outcome: outcome(&self.setup.tasks[ready.task].id),
                            subs: Vec::new(),
                        })
                        .collect();
                    let (patch, end) = cycle.settle(&self.setup, &self.body(), &outcomes, self.now);
                    self.write(&patch);
                    self.initial &= !end.is_settled();
                    trace.push(described(&end));
                    look = Look::Again;
                }
            }
        }
        panic!("it never ends: {trace:?}");
    }

    pub fn sight(&self, look: Look) -> Sight {
        Sight { gone: false, look, initial: self.initial, rearmed: look == Look::Changed, eager: self.eager }
    }

    pub fn seen(&self, cycle: &Cycle, ready: Ready) -> String {
        let x = |essence: &Value| essence["spec"]["x"].to_string();
        let old = cycle.old.as_deref().map(|old| format!("{}→", x(old))).unwrap_or_default();
        format!("{} {old}{} #{}", self.setup.tasks[ready.task].id, x(&cycle.new), ready.attempt.before)
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
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

pub fn described(end: &End) -> String {
    match end {
        End::Open(due) => format!("open {}", due.as_secs()),
        End::Processed(Counts { succeeded, failed, .. }) => format!("processed {succeeded}/{failed}"),
        End::Refused(Counts { succeeded, failed, .. }) => format!("refused {succeeded}/{failed}"),
        End::Held(Counts { succeeded, failed, .. }) => format!("held {succeeded}/{failed}"),
        end => format!("{end:?}"),
    }
}

pub fn succeed(_: &str) -> Outcome {
    Outcome::Success
}

pub fn resuming() -> Task {
    task("r", Reason::Resume)
}

pub fn of_label(id: &str, reason: Reason) -> Task {
    let labels = vec![("app".to_owned(), Match::Present)];
    Task { filter: Filter { labels, ..Filter::default() }, ..task(id, reason) }
}

pub fn of_field(id: &str, on: Trigger, field: &str) -> Task {
    Task { on, filter: Filter { field: Some(field.into()), ..Filter::default() }, ..task(id, Reason::Update) }
}
