#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_resume(Table)]
async fn resume(_old: OldObject<Table>) -> Result {
    Ok(())
}

fn main() {}
