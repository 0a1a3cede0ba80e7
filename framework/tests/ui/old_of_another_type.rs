#[path = "support/table.rs"]
mod table;

use korf::*;
use table::*;

#[korf::on_update(Table)]
async fn update(_old: Old<TableStatus>) -> Result {
    Ok(())
}

fn main() {}
