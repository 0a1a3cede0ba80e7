#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_update(Table)]
async fn update(_event: WatchEventType) -> Result {
    Ok(())
}

fn main() {}
