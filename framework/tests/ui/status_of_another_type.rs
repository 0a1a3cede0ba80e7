#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(_table: Object<Table>) -> Result<Status<TableSpec>> {
    Ok(Status(TableSpec { columns: vec![] }))
}

fn main() {}
