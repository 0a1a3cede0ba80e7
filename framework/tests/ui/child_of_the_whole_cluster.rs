use k8s_openapi::api::{core::v1::ConfigMap, rbac::v1::ClusterRole};
use korf::prelude::*;

#[korf::on_create(ConfigMap)]
async fn create(map: Object<ConfigMap>) -> Result {
    let mut role = ClusterRole::default();
    map.adopt(&mut role)
}

fn main() {}
