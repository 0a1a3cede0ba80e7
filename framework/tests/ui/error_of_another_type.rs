#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(_table: Object<Table>) -> std::result::Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
