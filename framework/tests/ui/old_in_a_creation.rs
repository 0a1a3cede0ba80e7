#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(_table: Object<Table>, _old: OldSpec<TableSpec>) -> Result {
    Ok(())
}

fn main() {}
