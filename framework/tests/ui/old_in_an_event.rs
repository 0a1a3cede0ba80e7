#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_event(Table)]
async fn seen(_old: OldSpec<TableSpec>) -> Result {
    Ok(())
}

fn main() {}
