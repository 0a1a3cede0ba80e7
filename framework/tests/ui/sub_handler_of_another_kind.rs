#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_update(Table)]
async fn update(subs: SubHandlers<Table>) -> Result {
    subs.add("a", async |_old: OldSpec<TableSpec>| {});
    subs.execute().await
}

fn main() {}
