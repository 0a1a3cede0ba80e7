//! Names of handlers: any is allowed, and korf's own hide none.

use k8s_openapi::api::core::v1::ConfigMap;
use korf::{Name, Result, handler::Registry};

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
fn a_handler_may_have_a_name_that_the_expansion_uses() {
    let registry = Registry::collect();
    let ids: Vec<_> = registry.handlers().iter().map(|handler| handler.id()).collect();
    assert_eq!(ids, ["call", "definition", "output"]);
}

mod everything {
    use korf::*;

    /// With a module of this name in korf, there would be no `core::time` here.
    #[test]
    fn importing_all_of_korf_does_not_hide_the_crate_core() {
        assert_eq!(
            handler::Backoff::from(core::time::Duration::ZERO),
            handler::Backoff::Constant(std::time::Duration::ZERO)
        );
    }
}
