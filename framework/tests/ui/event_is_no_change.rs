#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::on_event(Table)]
async fn seen(_attempt: Attempt, _reason: Reason) -> Result {
    Ok(())
}

#[korf::on_event(Table)]
async fn seen_too(_old: OldValue, _subs: SubHandlers<Table>) -> Result {
    Ok(())
}

fn main() {}
