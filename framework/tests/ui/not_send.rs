#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_create(Table)]
async fn create(table: Object<Table>) -> Result {
    let shared = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop((table, shared));
    Ok(())
}

fn main() {}
