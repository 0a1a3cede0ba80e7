#[path = "support/table.rs"]
mod table;

use korf::*;
use table::*;

#[korf::on_event(Table)]
async fn seen(_old: Old<TableSpec>) -> Result {
    Ok(())
}

fn main() {}
