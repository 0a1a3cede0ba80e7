//! Operator of fifty kinds that share their handlers: it prints how long each change took to reach its handler.
//!
//! A change carries the time at which it was asked for, in `spec.at`, in microseconds since 1970. `NAMESPACE` says where.

use korf::{
    Name, Operator, Result,
    extract::New,
    handler::{Handler, Registry},
};
use kube::{
    Resource,
    core::{NamespaceResourceScope, ObjectMeta},
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    env,
    time::{SystemTime, UNIX_EPOCH},
};

const KINDS: usize = 50;

/// An object of the first of these kinds. The others are told from it by their names alone.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Load {
    metadata: ObjectMeta,
}

impl Resource for Load {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Load0".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "bench.korf.dev".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "load0s".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

async fn created() -> Result {
    Ok(())
}

async fn changed(name: Name, at: New<Option<u64>>) -> Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    if let Some(at) = *at.0 {
        println!("{name} {}", now.saturating_sub(at.into()));
    }
    Ok(())
}

fn of_kind(number: usize, mut handler: Handler) -> Handler {
    let resource = &mut handler.kind.resource;
    (resource.kind, resource.plural) = (format!("Load{number}"), format!("load{number}s"));
    handler
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let handlers = (0..KINDS).flat_map(|number| {
        let created = korf::on_create::<Load>("created").run(created);
        let changed = korf::on_field::<Load>("changed", "spec.at").run(changed);
        [of_kind(number, created), of_kind(number, changed)]
    });
    let operator = Operator::with_registry("crowd", handlers.collect::<Registry>());
    Ok(operator.namespaces([env::var("NAMESPACE")?]).run().await?)
}
