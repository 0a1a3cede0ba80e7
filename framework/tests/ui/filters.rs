use korf::prelude::*;

#[korf::on_field(ConfigMap)]
async fn no_field() -> Result {
    Ok(())
}

#[korf::on_field]
async fn nothing() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, value = 5)]
async fn value_of_no_field() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, field = "data.x", value = 5, new = 6)]
async fn value_and_new() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, field = "data.x", old = 5)]
async fn old_of_a_creation() -> Result {
    Ok(())
}

#[korf::on_event(ConfigMap, retries = 5)]
async fn retries_of_an_event() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, labels = ("app", "web"))]
async fn pair() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, labels = {"app" = "web"})]
async fn equals_sign() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, annotations = {5: "web"})]
async fn number_as_key() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, labels = {"app"})]
async fn no_value() -> Result {
    Ok(())
}

#[korf::on_delete(ConfigMap, optional = true)]
async fn value_of_a_flag() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, optional)]
async fn flag_of_another() -> Result {
    Ok(())
}

#[korf::on_update(ConfigMap, labels = "app=web,")]
async fn comma_without_a_label() -> Result {
    Ok(())
}

fn main() {}
