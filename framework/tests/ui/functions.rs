use k8s_openapi::api::core::v1::ConfigMap;
use korf::prelude::*;

#[korf::on_create(ConfigMap)]
struct NotAFunction;

#[korf::on_create(ConfigMap)]
async fn generic<T>(_state: State<T>) -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap)]
async fn any_type(_argument: impl FromCall<korf::scope::Creation<ConfigMap>>) -> Result {
    Ok(())
}

fn main() {}
