#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

async fn create(_table: Object<Table>, _n: bool) -> Result {
    Ok(())
}

fn main() {
    korf::on_create::<Table>("create").run(create);
}
