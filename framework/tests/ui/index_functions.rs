#[path = "support/table.rs"]
mod table;

use korf::prelude::*;
use table::*;

#[korf::index(Table)]
async fn waits(name: Name) -> (String, Name) {
    (name.to_string(), name)
}

#[korf::index(Table)]
fn a_text(name: Name) -> String {
    name.to_string()
}

#[korf::index(Table, timeout = 5s)]
fn in_time(name: Name) -> (u8, Name) {
    (1, name)
}

#[korf::index(Table)]
fn remembers(name: Name, _memo: Memo<u8>) -> (u8, Name) {
    (1, name)
}

#[korf::index(Table)]
fn changes(name: Name, _reason: korf::Reason) -> (u16, Name) {
    (1, name)
}

fn main() {}
