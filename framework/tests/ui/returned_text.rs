#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(table: Object<Table>) -> Result<String> {
    Ok(table.spec.columns.join(", "))
}

fn main() {}
