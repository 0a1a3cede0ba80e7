#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_update(Table, when = |limit: State<usize>, table: Object<Table>| table.spec.columns.len() > *limit)]
async fn update() -> Result {
    Ok(())
}

#[korf::on_event(Table, when = |diff: Diff| diff.is_empty())]
async fn seen() -> Result {
    Ok(())
}

fn main() {}
