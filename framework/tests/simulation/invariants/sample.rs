//! Histories made by hand, for the tests of the invariants.

use crate::{
    bell::Rung,
    history::{History, Index, Written},
    record::{Called, Death, Life, Moment},
    role::{Cue, Role},
    script::{Ending, Script},
    world::{Keeping, Weather, World},
};
use http::Method;
use jiff::Timestamp;
use korf::{
    Reason,
    extract::{Body, WatchEventType},
    handler::Limits,
};
use korf_testing::api::{Effect, Request};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

pub const UID: &str = "uid-1";
pub const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";
pub const DELETION: Cue = Cue::Delete { optional: false, lets_go: false };

/// A handler without any options.
pub fn role(id: &str, cue: Cue) -> Role {
    Role {
        id: id.to_owned(),
        cues: vec![cue],
        label: None,
        annotation: None,
        field: None,
        value: None,
        limits: Limits::default(),
        reads: false,
        parts: false,
        script: Script(Vec::new()),
    }
}

/// The life of one object, step by step.
#[derive(Clone)]
pub struct Telling {
    world: World,
    writes: Vec<Written>,
    calls: Vec<Called>,
    lives: Vec<Life>,
    quiet: Option<Moment>,
    rungs: Vec<Rung>,
    now: Moment,
    object: Option<Arc<Value>>,
}

impl Telling {
    /// An object with `spec.x` of 1, and an operator with these handlers.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        let weather = Weather {
            requests: 0.0,
            rejections: 0.0,
            outages: 0.0,
            events: 0.0,
            latency: 0..1,
            lag: 0..1,
            deaths: 0.0,
            deaths_at_writes: 0.0,
            most_deaths: 0,
        };
        let world = World {
            keeping: Keeping::KopfsAnnotations,
            status_subresource: false,
            one_at_a_time: false,
            concurrency: 1,
            grace: Duration::from_secs(1),
            weather,
            roles: roles.into_iter().collect(),
            timer: None,
            globs: None,
            bell: None,
            catalog: None,
            daemon: None,
        };
        let (writes, calls, lives) = (Vec::new(), Vec::new(), vec![Life::default()]);
        let (quiet, rungs, now) = (None, Vec::new(), Moment::default());
        let telling = Self { world, writes, calls, lives, quiet, rungs, now, object: None };
        telling.user(json!({"metadata": {"name": "a", "uid": UID}, "spec": {"x": 1}}))
    }

    fn write(mut self, ours: bool, body: Value, change: impl FnOnce(Value) -> Option<Value>) -> Self {
        self.now.revision += 1;
        let before = self.object.clone();
        let mut after = change(before.as_deref().cloned().unwrap_or_default());
        if let Some(object) = &mut after {
            object["metadata"]["resourceVersion"] = self.now.revision.to_string().into();
        }
        self.object = after.map(Arc::new);
        let effect = Effect { revision: self.now.revision, before, after: self.object.clone() };
        let request = Request::new("anybody", Method::PATCH, "/things/a", body);
        let late = self.quiet.is_some();
        let (at, effect) = (self.time(), Some(effect));
        self.writes.push(Written { at, request, ours, effect, conflicts: false, late });
        self
    }

    /// A user changes the object by a merge patch.
    pub fn user(self, patch: Value) -> Self {
        self.write(false, patch.clone(), |object| Some(merged(object, &patch)))
    }

    /// The operator changes it, with all guards.
    pub fn ours(self, patch: Value) -> Self {
        let mut body = patch.clone();
        body["metadata"]["uid"] = UID.into();
        body["metadata"]["resourceVersion"] = self.now.revision.to_string().into();
        self.ours_unguarded(patch, body)
    }

    /// The operator changes it, by a request with this body.
    pub fn ours_unguarded(self, patch: Value, body: Value) -> Self {
        self.write(true, body, |object| Some(merged(object, &patch)))
    }

    /// The present essence becomes the diff-base.
    pub fn closed(self) -> Self {
        let essence = self.world.essence(self.object.as_deref().unwrap_or(&Value::Null)).to_string();
        self.kept("last-handled-configuration", &essence)
    }

    /// The operator writes a record.
    pub fn kept(self, name: &str, text: &str) -> Self {
        self.ours(json!({"metadata": {"annotations": {(format!("kopf.zalando.org/{name}")): text}}}))
    }

    /// The operator sets the finalizer.
    pub fn held(self) -> Self {
        self.ours(json!({"metadata": {"finalizers": [FINALIZER]}}))
    }

    /// A user deletes the object.
    pub fn deleted(self) -> Self {
        self.user(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
    }

    /// The operator removes its finalizer, and the object goes.
    pub fn let_go(self) -> Self {
        let guards = json!({"metadata": {"uid": UID, "resourceVersion": self.now.revision.to_string()}});
        self.write(true, guards, |_| None)
    }

    /// A handler is called for the object as it is, at once.
    pub fn call(self, id: &str, reason: Reason, ending: Ending) -> Self {
        self.begin(id, Some(reason)).end(ending)
    }

    /// An event handler is called.
    pub fn hear(self, id: &str) -> Self {
        self.begin(id, None).end(Ending::Succeeded)
    }

    /// An event handler is called for the object's end.
    pub fn hear_of_end(mut self, id: &str) -> Self {
        let last = self.writes.iter().rev().find_map(|write| write.effect.as_ref()?.before.clone());
        let now = self.object.take();
        self.object = now.clone().or(last);
        let mut told = self.begin(id, None);
        if let Some(call) = told.calls.last_mut() {
            call.event = Some(WatchEventType::Deleted);
        }
        told.object = now;
        told.end(Ending::Succeeded)
    }

    /// A second passes with each recorded event.
    fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now.turn as i64).unwrap_or_default()
    }

    pub fn begin(mut self, id: &str, reason: Option<Reason>) -> Self {
        self.now.turn += 1;
        let object = self.object.as_deref().cloned().unwrap_or_default();
        self.calls.push(Called {
            id: id.to_owned(),
            life: self.lives.len() - 1,
            reason,
            event: reason.is_none().then_some(WatchEventType::Modified),
            attempt: 0,
            started: self.time(),
            at: self.time(),
            took: Duration::ZERO,
            new: Arc::new(self.world.essence(&object)),
            body: Body::from(object),
            begun: self.now,
            ended: self.now,
            ending: Ending::Interrupted,
            indexed: Vec::new(),
        });
        self
    }

    /// The oldest open call ends.
    pub fn end(mut self, ending: Ending) -> Self {
        self.now.turn += 1;
        let now = self.now;
        if let Some(call) = self.calls.iter_mut().find(|call| call.begun == call.ended) {
            (call.ended, call.ending) = (now, ending);
        }
        self
    }

    /// The operator dies and is started again.
    pub fn restarted(mut self) -> Self {
        self.now.turn += 1;
        let now = self.now;
        if let Some(life) = self.lives.last_mut() {
            life.ended = Some((now, Death::Killed));
        }
        self.lives.push(Life { begun: now, ended: None });
        self
    }

    /// All objects are triggered.
    pub fn ring(mut self) -> Self {
        self.now.turn += 1;
        self.rungs.push(Rung { life: self.lives.len() - 1, moment: self.now, name: None });
        self
    }

    /// From now on, nothing is to happen.
    pub fn quiet(mut self) -> Self {
        self.quiet = Some(self.now);
        self
    }

    pub fn history(self) -> History {
        let Self { world, writes, calls, lives, quiet, rungs, now, object } = self;
        let (objects, quiet) = (object.into_iter().collect(), quiet.unwrap_or(now));
        let (breakdowns, index) = (Vec::new(), Index::default());
        let (rejected, ticks, shown, runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let end = Timestamp::UNIX_EPOCH;
        History {
            world,
            writes,
            rejected,
            calls,
            lives,
            crowd: None,
            ticks,
            rungs,
            shown,
            runs,
            end,
            objects,
            quiet,
            breakdowns,
            index,
        }
    }
}

fn merged(mut object: Value, patch: &Value) -> Value {
    json_patch::merge(&mut object, patch);
    object
}

/// `spec.x`.
pub fn x(x: u32) -> Value {
    json!({"spec": {"x": x}})
}
