//! Handlers may have any name.

use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Name, Registry, Result};

#[korf::on_create(ConfigMap)]
async fn call(_name: Name) -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap)]
async fn definition(_name: Name) -> Result {
    Ok(())
}

#[korf::on_delete(ConfigMap)]
async fn output(_name: Name) -> Result {
    Ok(())
}

#[test]
fn a_handler_may_be_called_as_the_expansion_calls_its_own() {
    let registry = Registry::collect();
    let ids: Vec<_> = registry.handlers().iter().map(|handler| handler.id.as_str()).collect();
    assert_eq!(ids, ["call", "definition", "output"]);
}
