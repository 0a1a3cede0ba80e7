//! Counts the instructions of the pure core, and fails where a case takes more than its budget: `bash tests/instructions/run`.
//!
//! Instructions are the same on a noisy machine. A budget is what was counted, and 5 % of room. The count changes in the commit that
//! is worth it, or that brings a new compiler.
#![expect(missing_docs, unused_qualifications, reason = "what the macros of gungraun expand to")]

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use jiff::Timestamp;
use korf_core::{
    body::Body,
    cause::{Occasion, Situation},
    cycle::{Cycle, HandlerOutcome, Idle, Plan, Reading, Ready, Setup, plan},
    daemon::Hold,
    diff::{Diff, diff},
    filter::Filter,
    handler::{ChangeHandler, OnChange},
    patch::{Edit, Edits, Omit},
    queue::{Event, Queue, Source, TurnEnd, TurnReport},
    retry::{Limits, Outcome},
    storage::StorageConfig,
    version::Newest,
};
use serde_json::{Value, json};
use std::{hint::black_box, time::Instant};

/// Fails above the counted instructions and 5 % of room.
fn budget(counted: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, counted + counted / 20)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark(config = budget(20_300))]
#[bench::a_column_more(two_specs())]
fn differences((old, new): (Value, Value)) -> Diff {
    black_box(diff(black_box(&old), black_box(&new)))
}

#[library_benchmark(config = budget(8_400))]
#[bench::a_handled_table(World::handled())]
fn essence(world: World) -> (World, Value) {
    let essence = black_box(world.setup.essence(black_box(&world.body)));
    (world, essence)
}

// From the text that the watch shows to the report that nothing is to be done, and the end of all that was made for it.
#[library_benchmark(config = budget(123_500))]
#[bench::a_handled_table(World::restarted())]
fn no_op_turn((mut world, mut queue, text): (World, Queue, String)) -> (World, Queue) {
    let now = Instant::now();
    let body = serde_json::from_str::<Value>(black_box(&text)).unwrap_or_else(|_| unreachable!());
    let body = Body::from(body);
    queue.observe(Source { kind: 0, place: 0 }, Event::Listed(body), now);
    let Some(job) = queue.next_job() else { unreachable!("it was listed") };
    world.body = job.body.clone();
    assert_eq!(world.turn(), Some(Idle::Noop));
    let newest = Newest::seen(job.body.version(), now);
    let end = TurnEnd::Seen {
        newest,
        due: None,
        settled: true,
        resumed: true,
        planned: true,
        called: true,
        waiting: None,
        blocked: Default::default(),
        got_past: Vec::new(),
        stored: true,
        generation: None,
    };
    queue.finish(TurnReport::new(job.body.uid(), end), now);
    (world, queue)
}

// All turns of a new object: its finalizer, its create handler, and the outcome.
#[library_benchmark(config = budget(313_500))]
#[bench::a_new_table(World::with_a_new_object())]
fn creation_turn(mut world: World) -> World {
    while world.turn().is_none() {}
    assert_eq!(world.writes, 2, "the finalizer, and the outcome");
    world
}

library_benchmark_group!(name = core, benchmarks = [differences, essence, no_op_turn, creation_turn]);
main!(library_benchmark_groups = core);

/// One object and its handlers, with the API server's part played by merge patches.
struct World {
    setup: Setup,
    body: Body,
    occasion: Occasion,
    writes: usize,
}

impl World {
    fn new() -> Self {
        let delete = OnChange::Delete { optional: false, release_on_failure: false };
        let handlers = [OnChange::Create, OnChange::Update, delete].map(|on| ChangeHandler {
            id: format!("{on}_handler"),
            on,
            filter: Filter::default(),
            limits: Limits::default(),
            invoke: (),
        });
        let storage = StorageConfig { kopf: true, ..StorageConfig::default() }.storage("table-operator");
        Self {
            setup: Setup {
                storage: storage.unwrap_or_else(|error| panic!("{error}")),
                handlers: handlers.into(),
                one_at_a_time: false,
            },
            body: table().into(),
            occasion: Occasion::First,
            writes: 0,
        }
    }

    /// One that has handled its object.
    fn handled() -> Self {
        let mut world = Self::new();
        while world.turn().is_none() {}
        world
    }

    /// One that has handled an object before, and meets a new one.
    fn with_a_new_object() -> Self {
        Self { body: table().into(), occasion: Occasion::First, writes: 0, ..Self::handled() }
    }

    /// One that meets its object again, with a queue and the object's text.
    fn restarted() -> (Self, Queue, String) {
        let world = Self { occasion: Occasion::First, ..Self::handled() };
        let text = world.body.value().to_string();
        let mut queue = Queue::default();
        queue.observe(Source { kind: 0, place: 0 }, Event::Listing, Instant::now());
        (world, queue, text)
    }

    /// Does what comes next; the reason if that is nothing.
    fn turn(&mut self) -> Option<Idle> {
        let now = Timestamp::UNIX_EPOCH;
        let reading = Reading::of(&self.setup, self.body.clone(), now);
        let situation = Situation {
            gone: false,
            occasion: self.occasion,
            resumption: None,
            rearmed: false,
            eager: false,
            hold: Hold::None,
        };
        match plan(&self.setup, &reading, situation, now) {
            Ok(Plan::Idle(idle)) => return Some(idle),
            Ok(Plan::Write(change)) => self.write(&change.into()),
            Ok(Plan::Run(cycle)) => self.run(&cycle, now),
            Ok(Plan::Wait(_)) | Err(_) => unreachable!("all handlers succeed, and no filter fails"),
        }
        self.occasion = Occasion::Again;
        None
    }

    fn run(&mut self, cycle: &Cycle, now: Timestamp) {
        let succeeds =
            |ready: &Ready| HandlerOutcome { ready: *ready, outcome: Outcome::Success, subs: Vec::new() };
        let outcomes: Vec<_> = cycle.ready.iter().map(succeeds).collect();
        let settled = cycle.settle(&self.setup, &self.body, &outcomes, now);
        let edits = settled.ok().and_then(|settled| settled.edits(&self.setup.storage, &self.body).next());
        let Some(mut edits) = edits else { unreachable!("there is one at least") };
        edits.join([Edit::Merge(json!({ "status": status() }))].into_iter().collect());
        self.write(&edits);
    }

    fn write(&mut self, edits: &Edits) {
        self.writes += 1;
        let draft = edits.draft(&self.body, &self.setup.storage, Omit::default());
        for part in edits.order() {
            if let Some(request) = draft.request(part, &self.body, false) {
                let mut object = self.body.value().clone();
                json_patch::merge(&mut object, &request.patch);
                self.body = object.into();
            }
        }
    }
}

fn columns(count: usize) -> Value {
    let types = ["integer", "varchar(50)", "varchar(100)", "date", "timestamp", "char(2)"];
    let columns =
        types.iter().enumerate().map(|(number, type_)| json!({ format!("COLUMN_{number}"): type_ }));
    columns.take(count).collect()
}

fn two_specs() -> (Value, Value) {
    let spec = |count| json!({"spec": {"tableName": "table_1", "columns": columns(count), "primaryKey": "COLUMN_0"}});
    (spec(5), spec(6))
}

/// A new object, as the API server sends it.
fn table() -> Value {
    json!({
        "apiVersion": "kopf.demo/v1", "kind": "DatabaseTable",
        "metadata": {
            "name": "table-1", "namespace": "default", "uid": "6f6c2d1e-3a55-4a55-9c2e-0f1d2b3c4d5e", "resourceVersion": "12345",
            "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"team": "accounts"},
        },
        "spec": {"tableName": "table_1", "columns": columns(5), "primaryKey": "COLUMN_0"},
    })
}

/// What the create handler returns.
fn status() -> Value {
    let condition = |type_| {
        json!({"type": type_, "status": "True", "reason": "Applied", "message": "table public.table_1 has all columns",
                                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    json!({"table": "public.table_1", "columnCount": 5, "columns": columns(5), "primaryKey": ["column_0"],
           "conditions": [condition("Ready"), condition("Synced")]})
}
