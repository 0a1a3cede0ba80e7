//! Catalog of a world: an index of all objects, and what it shows.

use crate::{record::Record, role::Want, thing::Thing};
use korf::{
    Error, FromCall, Index,
    handler::{Failure, Handler, IndexCall, ObjectView},
    index,
    scope::{Indexing, ObjectScope},
};
use serde_json::Value;

/// The key of all objects.
pub const ALL: &str = "all";

/// An index of all objects, or of those with a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    pub tier: Option<Want>,
}

/// What the index of an operator shows: keys, and their values.
pub type Shown = Vec<(String, Vec<String>)>;

impl Catalog {
    /// The index of a seed's world: a quarter of the worlds have one.
    pub fn of(seed: u64) -> Option<Self> {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x696e_6465);
        let is_there = chance.u8(..4) == 0;
        let tier = (chance.u8(..3) == 0).then(|| Want::drawn(&["gold", "silver"], &mut chance));
        is_there.then_some(Self { tier })
    }

    /// The operator's index function. It can't read what is broken.
    pub fn handler(&self, record: &Record) -> Handler {
        let on = index::<Thing>("catalog");
        let on = self.tier.iter().fold(on, |on, wanted| on.label("tier", wanted));
        let record = record.clone();
        on.call(move |call: IndexCall| {
            let all = <Index<String, String> as FromCall<Indexing<Thing>>>::from_call(&call);
            record.opens(all.map_err(Failure::Rejected)?);
            let view: &ObjectView = Indexing::<Thing>::object(&call);
            pairs(view.body().value()).ok_or_else(|| Failure::Failed(Error::permanent("it is broken")))
        })
    }

    /// The entries of an object.
    pub fn entries(&self, object: &Value) -> Vec<(String, String)> {
        let tier = &object["metadata"]["labels"]["tier"];
        let is_for = self.tier.as_ref().is_none_or(|wanted| wanted.holds(tier));
        if is_for { pairs(object).unwrap_or_default() } else { Vec::new() }
    }
}

fn pairs(object: &Value) -> Option<Vec<(String, String)>> {
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    if spec["broken"] == true {
        return None;
    }
    let uid = metadata["uid"].as_str().unwrap_or_default();
    let all = (ALL.to_owned(), uid.to_owned());
    let size = (format!("size {}", spec["size"]), format!("{uid} {}", metadata["resourceVersion"]));
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| (format!("label {key} {value}"), uid.to_owned()));
    Some([all, size].into_iter().chain(labels).collect())
}
