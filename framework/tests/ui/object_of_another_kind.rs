#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(_pod: Object<k8s_openapi::api::core::v1::Pod>) -> Result {
    Ok(())
}

#[korf::on_create(Table)]
async fn sub_handlers(_subs: SubHandlers<k8s_openapi::api::core::v1::Pod>) -> Result {
    Ok(())
}

fn main() {}
