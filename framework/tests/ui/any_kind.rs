#[path = "support/table.rs"]
mod table;

use korf::{AnyKind, prelude::*};
use table::*;

#[korf::on_create(AnyKind)]
async fn created(_name: Name) -> Result {
    Ok(())
}

#[korf::on_event(Table, category = "all")]
async fn seen(_name: Name) {}

#[korf::on_event(TableSpec)]
async fn of_a_spec(_name: Name) {}

fn main() {}
