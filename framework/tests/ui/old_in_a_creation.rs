#[path = "support/table.rs"]
mod table;

use korf::*;
use table::*;

#[korf::on_create(Table)]
async fn create(_table: Object<Table>, _old: Old<TableSpec>) -> Result {
    Ok(())
}

fn main() {}
