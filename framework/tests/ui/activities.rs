//! An activity has no kind, takes no object, and returns what its attribute asks for.

use korf::{Name, Result, State, extract::OperatorSetup};

#[korf::on_startup]
async fn takes_a_name(name: Name) {}

#[korf::on_cleanup]
async fn takes_the_setup(setup: OperatorSetup) {}

#[korf::on_probe]
async fn returns_no_result(count: State<u8>) -> u8 {
    *count
}

#[korf::on_login]
async fn returns_nothing() -> Result {
    Ok(())
}

#[korf::on_startup(ConfigMap)]
async fn has_a_kind() {}

#[korf::on_probe(retries = 3)]
async fn is_retried() -> Result<u8> {
    Ok(1)
}

fn main() {}
