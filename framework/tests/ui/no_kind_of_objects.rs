#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(TableSpec)]
async fn create(_name: Name) -> Result {
    Ok(())
}

fn main() {}
