#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table, retires = 5)]
async fn create(_table: Object<Table>) -> Result {
    Ok(())
}

fn main() {}
