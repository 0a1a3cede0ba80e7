//! Handlers may have any name, and those of korf hide none.

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

mod everything {
    use korf::*;

    /// With a module of this name in korf, there would be no `core::time` here.
    #[test]
    fn who_imports_all_of_korf_still_has_the_crate_core() {
        assert_eq!(Backoff::from(core::time::Duration::ZERO), Backoff::Constant(std::time::Duration::ZERO));
    }
}
