use korf::prelude::*;

#[korf::on_create]
async fn no_kind() -> Result {
    Ok(())
}

#[korf::on_create(retries = 5)]
async fn no_kind_but_options() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, retries = 5, retries = 6)]
async fn twice() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, id = "")]
async fn empty_id() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, id = 5)]
async fn number_as_id() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, errors = retry)]
async fn unknown_errors() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap retries = 5)]
async fn no_comma() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, "x")]
async fn value_without_an_option() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels: {"app": "web"})]
async fn colon() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, field = spec.size)]
async fn unquoted_field() -> Result {
    Ok(())
}

#[korf::on_resume(ConfigMap, resync = 0s)]
async fn resynced_always() -> Result {
    Ok(())
}

#[korf::timer(ConfigMap, interval = 0.1ms)]
async fn called_always() -> Result {
    Ok(())
}

fn main() {}
