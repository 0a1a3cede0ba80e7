//! An operator with an outside world: lights that it switches on and off.

use korf::{Attempt, Error, Name, Operator, Result, Spec, State, Status, handler::Registry};
use korf_testing::Cluster;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::yield_now;

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "korf.dev", version = "v1", kind = "Light", namespaced, status = "LightStatus")]
pub struct LightSpec {
    pub color: String,
    /// The number of failures of the create handler before it succeeds.
    #[serde(default)]
    pub failures: u32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
pub struct LightStatus {
    pub color: Option<String>,
}

/// The lights that are on, and how often each was switched.
#[derive(Clone, Debug, Default)]
pub struct House(Arc<Mutex<BTreeMap<String, (String, u32)>>>);

impl House {
    /// Takes time, and switches nothing twice.
    pub async fn switch_on(&self, name: &str, color: &str) {
        yield_now().await;
        self.touch(name, color);
        yield_now().await;
    }

    fn touch(&self, name: &str, color: &str) {
        let mut lights = self.0.lock().unwrap();
        let light = lights.entry(name.to_owned()).or_default();
        *light = (color.to_owned(), light.1 + 1);
    }

    pub async fn switch_off(&self, name: &str) {
        yield_now().await;
        self.0.lock().unwrap().remove(name);
        yield_now().await;
    }

    pub fn colors(&self) -> BTreeMap<String, String> {
        self.0.lock().unwrap().iter().map(|(name, (color, _))| (name.clone(), color.clone())).collect()
    }

    /// The number of times that a light was switched.
    pub fn touched(&self, name: &str) -> u32 {
        self.0.lock().unwrap().get(name).map_or(0, |(_, touched)| *touched)
    }
}

async fn on(
    name: Name,
    spec: Spec<LightSpec>,
    house: State<House>,
    attempt: Attempt,
) -> Result<Status<LightStatus>> {
    if attempt.0 < spec.failures {
        return Err(Error::temporary("the fuse is blown", Duration::from_secs(60)));
    }
    house.switch_on(&name, &spec.color).await;
    Ok(Status(LightStatus { color: Some(spec.color.clone()) }))
}

async fn off(name: Name, house: State<House>) -> Result {
    house.switch_off(&name).await;
    Ok(())
}

pub fn operator(house: &House) -> Operator {
    let handlers = [
        korf::on_create::<Light>("create").definition().run(on),
        korf::on_update::<Light>("update").run(on),
        korf::on_delete::<Light>("delete").run(off),
    ];
    Operator::with_registry("lights", Registry::from_iter(handlers)).state(house.clone())
}

pub fn cluster(house: &House) -> Cluster {
    cluster_of(house, |operator| operator)
}

/// The same, with further options of the operator.
pub fn cluster_of(
    house: &House,
    configure: impl Fn(Operator) -> Operator + Send + Sync + 'static,
) -> Cluster {
    let house = house.clone();
    Cluster::of(move || configure(operator(&house))).unwrap()
}

pub fn light(name: &str, color: &str) -> Light {
    Light::new(name, LightSpec { color: color.into(), failures: 0 })
}

pub fn flickering(name: &str, color: &str, failures: u32) -> Light {
    Light::new(name, LightSpec { color: color.into(), failures })
}

pub fn paint(color: &str) -> serde_json::Value {
    json!({"spec": {"color": color}})
}
