//! Handling converges, whatever is stored on the object.
#![no_main]

use jiff::Timestamp;
use korf_core::{
    body::Body,
    cause::{Occasion, Resumption, Situation},
    cycle::{Cycle, HandlerOutcome, Plan, Reading, Ready, Setup, plan},
    daemon::Hold,
    filter::Filter,
    handler::{ChangeHandler, OnChange},
    patch::{Edits, Omit},
    retry::{Limits, Outcome},
    storage::{Storage, StorageConfig},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::time::Duration;

const OPERATOR: &str = "fuzz";
/// The handlers, and one that only a record can name.
const IDS: [&str; 6] = ["create", "update", "delete", "resume", "field", "field/sub"];
/// Far more than any object needs.
const TURNS: usize = 100;

/// What comes of the attempts, one after the other; in the end all succeed.
struct Fate(u32);

impl Fate {
    fn next(&mut self) -> Outcome {
        let message = "fuzz".to_owned();
        let fate = self.0 % 6;
        self.0 /= 6;
        match fate {
            1 => Outcome::Retry { after: Duration::from_secs(10), message },
            2 => Outcome::Failed { message },
            3 => Outcome::Rejected { message },
            4 => Outcome::Ignored,
            5 => Outcome::Waiting { after: Duration::from_secs(10), message },
            _ => Outcome::Success,
        }
    }
}

/// One object and the handlers of its kind, with the API server's part played by merge patches.
struct World {
    setup: Setup,
    situation: Situation,
    body: Body,
    now: Timestamp,
    fate: Fate,
}

// The first bytes choose; the rest is what stands on the object.
fuzz_target!(|bytes: &[u8]| {
    let Some((options, bytes)) = bytes.split_first_chunk::<6>() else { return };
    let [fate @ .., storage, options] = *options;
    let option = |bit: u8| options & bit != 0;
    let mut world = World {
        setup: Setup {
            storage: self::storage(storage),
            handlers: tasks(options >> 4),
            one_at_a_time: option(1),
        },
        situation: Situation {
            gone: false,
            occasion: Occasion::First,
            resumption: option(2).then_some(Resumption::Start),
            hold: Hold::None,
            rearmed: false,
            eager: option(4),
        },
        body: object(&String::from_utf8_lossy(bytes), option(8)),
        now: Timestamp::UNIX_EPOCH,
        fate: Fate(u32::from_le_bytes(fate)),
    };
    let rests = (0..TURNS).any(|_| world.turn());
    assert!(rests, "it comes to no rest: {:#}", world.body.value());
});

impl World {
    /// Does what comes next; whether that is nothing.
    fn turn(&mut self) -> bool {
        let reading = Reading::of(&self.setup, self.body.clone(), self.now);
        match plan(&self.setup, &reading, self.situation, self.now).expect("no filter panics") {
            Plan::Idle(_) => return true,
            Plan::Wait(due) => {
                assert!(due > self.now, "a wait for {due}, and it is {}", self.now);
                self.now = due;
            }
            Plan::Write(change) => {
                let before = self.body.clone();
                self.write(&change.into());
                assert_ne!(self.body, before, "a write of nothing");
            }
            Plan::Run(cycle) => self.run(&cycle),
        }
        (self.situation.occasion, self.situation.eager) = (Occasion::Again, false);
        false
    }

    fn run(&mut self, cycle: &Cycle) {
        let done =
            |ready: &Ready| HandlerOutcome { ready: *ready, outcome: self.fate.next(), subs: Vec::new() };
        let done: Vec<_> = cycle.ready.iter().map(done).collect();
        let settled = cycle.settle(&self.setup, &self.body, &done, self.now).expect("no filter panics");
        let patch = settled.edits(&self.setup.storage, &self.body).next().expect("there is one at least");
        self.situation.resumption.take_if(|_| settled.state.is_settled());
        self.write(&patch);
    }

    fn write(&mut self, patch: &Edits) {
        let draft = patch.draft(&self.body, &self.setup.storage, Omit::default());
        for part in patch.order() {
            if let Some(request) = draft.request(part, &self.body, false) {
                let mut object = self.body.value().clone();
                json_patch::merge(&mut object, &request.patch);
                self.body = object.into();
            }
        }
    }
}

fn storage(choice: u8) -> Storage {
    let places = [
        StorageConfig::default(),
        StorageConfig { kopf: true, ..StorageConfig::default() },
        StorageConfig { in_status: true, ..StorageConfig::default() },
    ];
    places[usize::from(choice) % places.len()].storage(OPERATOR).expect("the names are Kubernetes'")
}

/// One for each trigger, or one less.
fn tasks(left_out: u8) -> Vec<ChangeHandler> {
    let triggers = [
        OnChange::Create,
        OnChange::Update,
        OnChange::Delete { optional: false, release_on_failure: false },
        OnChange::Resume { deleted: true, resync: None },
        OnChange::Field,
    ];
    let task = |on: OnChange| {
        let mut filter = Filter::default();
        filter.field = (on == OnChange::Field).then(|| "spec.x".into());
        ChangeHandler { id: on.as_str().to_owned(), on, filter, limits: Limits::default(), invoke: () }
    };
    let tasks = triggers.map(task).into_iter().enumerate();
    tasks.filter(|(at, _)| *at != usize::from(left_out)).map(|(_, task)| task).collect()
}

/// An object with parts of this text, by lines, wherever things are kept.
fn object(text: &str, deleting: bool) -> Body {
    let mut lines = text.split('\n');
    let mut line = || lines.next().filter(|line| !line.is_empty()).map(Value::from).unwrap_or_default();
    let (diff_base, basis) = (line(), line());
    let (mut annotations, mut progress) = (json!({}), json!({}));
    for id in IDS {
        let record = line();
        for prefix in ["kopf.zalando.org", "fuzz.korf.dev"] {
            annotations[format!("{prefix}/{}", id.replace('/', "."))] = record.clone();
            annotations[format!("{prefix}/last-handled-configuration")] = diff_base.clone();
            annotations[format!("{prefix}/korf-basis")] = basis.clone();
        }
        progress[id] = serde_json::from_str(record.as_str().unwrap_or_default()).unwrap_or_default();
    }
    let status = json!({"progress": progress, "last-handled-configuration": diff_base, "korf-basis": basis});
    let finalizers = ["kopf.zalando.org/KopfFinalizerMarker", "fuzz.korf.dev/finalizer"];
    let object = json!({
        "metadata": {
            "uid": "u", "annotations": annotations, "finalizers": if deleting { &finalizers[..] } else { &[] },
            "deletionTimestamp": deleting.then_some("1970-01-01T00:00:00Z"),
        },
        "spec": {"x": 1}, "status": {"kopf": status, OPERATOR: status},
    });
    // As a merge patch: without nulls.
    let mut merged = json!({});
    json_patch::merge(&mut merged, &object);
    merged.into()
}
