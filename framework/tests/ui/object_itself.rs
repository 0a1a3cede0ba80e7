use k8s_openapi::api::core::v1::ConfigMap;
use korf::prelude::*;

#[korf::on_create(ConfigMap)]
async fn create(_source: ConfigMap) -> Result {
    Ok(())
}

fn main() {}
