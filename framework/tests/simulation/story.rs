//! What users do meanwhile.

use crate::{
    record::{Death, Record},
    tally::Counter,
    thing::{Thing, ThingSpec},
};
use korf_testing::Cluster;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// One step of a story.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Create(&'static str, Value),
    /// A merge patch.
    Change(&'static str, Value),
    /// The last change is taken back.
    Revert(&'static str),
    Delete(&'static str),
    /// It goes at once, whatever its finalizers are, and another one of its name comes.
    Replace(&'static str, Value),
    Stop,
    Kill,
    Start,
    Compact,
    Cut,
    Expire,
}

/// Tells a story to a cluster.
pub struct Story<'a> {
    pub cluster: &'a mut Cluster,
    pub record: &'a Record,
    pub counter: &'a Counter,
    pub chance: &'a mut fastrand::Rng,
    /// What would take back the last change of each object.
    undo: BTreeMap<&'static str, Value>,
    running: bool,
}

impl<'a> Story<'a> {
    pub fn new(
        cluster: &'a mut Cluster,
        record: &'a Record,
        counter: &'a Counter,
        chance: &'a mut fastrand::Rng,
    ) -> Self {
        Self { cluster, record, counter, chance, undo: BTreeMap::new(), running: true }
    }

    /// All of it; in the end the operator runs.
    pub fn tell(mut self) {
        for _ in 0..self.chance.usize(5..25) {
            let step = self.drawn();
            self.carry_out(step);
            let pause = self.pause();
            self.cluster.advance(pause);
        }
        if !self.running {
            self.carry_out(Step::Start);
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(match self.chance.u8(..20) {
            0..6 => 0,
            6..13 => self.chance.u64(..3_000),
            13..19 => self.chance.u64(..40_000),
            _ => self.chance.u64(..400_000),
        })
    }

    fn drawn(&mut self) -> Step {
        if !self.running && self.chance.bool() {
            return Step::Start;
        }
        let name = NAMES[self.chance.usize(..NAMES.len())];
        match self.chance.u8(..32) {
            _ if !self.cluster.exists::<Thing>(name) => Step::Create(name, self.spec()),
            0..14 => Step::Change(name, self.change()),
            14..19 => Step::Revert(name),
            19..23 => Step::Delete(name),
            23..25 => Step::Replace(name, self.spec()),
            25 | 26 if self.running => Step::Stop,
            27 | 28 if self.running => Step::Kill,
            29 => Step::Compact,
            30 => Step::Cut,
            31 => Step::Expire,
            _ => Step::Change(name, self.change()),
        }
    }

    fn spec(&mut self) -> Value {
        let mut spec = Map::new();
        for _ in 0..3 {
            let (field, value) = self.field();
            spec.insert(field.to_owned(), value);
        }
        spec.retain(|_, value| !value.is_null());
        spec.into()
    }

    fn field(&mut self) -> (&'static str, Value) {
        let chance = &mut self.chance;
        match chance.u8(..6) {
            0..3 => ("size", chance.u32(1..4).into()),
            3 => ("color", [json!("red"), json!("blue"), Value::Null][chance.usize(..3)].clone()),
            4 => ("parts", [json!(["p"]), json!(["p", "q"]), json!([])][chance.usize(..3)].clone()),
            _ => ("broken", [json!(true), Value::Null, Value::Null][chance.usize(..3)].clone()),
        }
    }

    fn change(&mut self) -> Value {
        match self.chance.u8(..12) {
            0..6 => {
                let (field, value) = self.field();
                json!({"spec": {field: value}})
            }
            6 | 7 => json!({"metadata": {"labels": {"tier": self.one_of(["gold", "silver"])}}}),
            8 => json!({"metadata": {"annotations": {"note": self.one_of(["x", "y"])}}}),
            9 => json!({"metadata": {"annotations": {
                "ops.example.com/kopf-managed": "yes", "ops.example.com/state": self.one_of(["1", "2"]),
            }}}),
            10 => json!({"status": {"ready": self.chance.bool()}}),
            _ => {
                json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}})
            }
        }
    }

    fn one_of(&mut self, values: [&str; 2]) -> Option<String> {
        (self.chance.u8(..3) > 0).then(|| values[self.chance.usize(..2)].to_owned())
    }

    fn carry_out(&mut self, step: Step) {
        let at = self.cluster.now();
        self.record.step(at, format!("{step:?}"));
        self.counter.count(format!("step: {}", step.name()));
        // A step that is refused is one that users try in vain.
        match step {
            Step::Create(name, spec) => self.create(name, spec),
            Step::Change(name, patch) => self.change_by(name, patch),
            Step::Revert(name) => {
                if let Some(patch) = self.undo.remove(name) {
                    self.change_by(name, patch);
                }
            }
            Step::Delete(name) => drop(self.cluster.delete::<Thing>(name)),
            Step::Replace(name, spec) => {
                let _ = self.cluster.delete::<Thing>(name);
                let _ = self.cluster.patch::<Thing>(name, json!({"metadata": {"finalizers": null}}));
                self.create(name, spec);
            }
            Step::Stop => {
                self.cluster.stop().expect("an operator that was started can be stopped");
                self.record.ends(Death::Stopped);
                self.running = false;
            }
            Step::Kill => {
                self.record.ends(Death::Killed);
                self.counter.count("death: killed");
                self.cluster.kill();
                self.running = false;
            }
            Step::Start => {
                self.cluster.start().expect("the handlers fit together");
                self.running = true;
            }
            Step::Compact => self.cluster.server().compact(),
            Step::Cut => self.cluster.server().cut(),
            Step::Expire => self.cluster.server().expire(),
        }
    }

    fn create(&mut self, name: &'static str, spec: Value) {
        self.undo.remove(name);
        let fields = spec.as_object().cloned().unwrap_or_default();
        let mut thing = Thing::new(name, ThingSpec { fields });
        let tier = self.one_of(["gold", "silver"]);
        thing.metadata.labels = tier.map(|tier| BTreeMap::from([("tier".to_owned(), tier)]));
        if self.chance.u8(..5) == 0 {
            thing.metadata.finalizers = Some(vec!["example.com/other".to_owned()]);
        }
        let _ = self.cluster.create(&thing);
    }

    fn change_by(&mut self, name: &'static str, patch: Value) {
        if let Some(object) = self.cluster.server().object::<Thing>(Some("default"), name) {
            self.undo.insert(name, inverse(&patch, &object));
        }
        let _ = self.cluster.patch::<Thing>(name, patch);
    }
}

/// The merge patch that takes another one back.
fn inverse(patch: &Value, object: &Value) -> Value {
    match patch {
        Value::Object(patch) if object.is_object() || object.is_null() => {
            let fields = patch.iter().map(|(key, inner)| (key.clone(), inverse(inner, &object[key])));
            Value::Object(fields.collect())
        }
        _ => object.clone(),
    }
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Change(..) => "change",
            Self::Revert(..) => "revert",
            Self::Delete(..) => "delete",
            Self::Replace(..) => "replace",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Start => "start",
            Self::Compact => "compact",
            Self::Cut => "cut",
            Self::Expire => "expire",
        }
    }
}
