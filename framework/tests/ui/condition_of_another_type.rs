#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

fn is_big(table: &Table) -> bool {
    table.spec.columns.len() > 9
}

#[korf::on_update(Table, when = is_big)]
async fn update(_table: Object<Table>) -> Result {
    Ok(())
}

fn main() {}
