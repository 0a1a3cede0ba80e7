#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_update(Table)]
async fn update(_old: OldSpec<TableStatus>) -> Result {
    Ok(())
}

fn main() {}
