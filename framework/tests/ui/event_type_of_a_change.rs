#[path = "support/table.rs"]
mod table;

use korf::*;
use table::*;

#[korf::on_update(Table)]
async fn update(_event: EventType) -> Result {
    Ok(())
}

fn main() {}
