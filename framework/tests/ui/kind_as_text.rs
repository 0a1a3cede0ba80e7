use korf::prelude::*;

#[korf::on_create("configmaps")]
async fn plural() -> Result {
    Ok(())
}

fn main() {}
