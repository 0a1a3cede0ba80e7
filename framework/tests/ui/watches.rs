use korf::prelude::*;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};

#[korf::watches(Secret)]
fn to_nothing() -> Option<ObjectRef<Deployment>> {
    None
}

#[korf::watches(Secret, maps_to = Deployment)]
async fn waiting() -> Option<ObjectRef<Deployment>> {
    None
}

#[korf::watches(Secret, maps_to = Deployment)]
fn to_another_kind() -> Option<ObjectRef<Secret>> {
    None
}

fn main() {}
