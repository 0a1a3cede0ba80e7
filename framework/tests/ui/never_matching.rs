use korf::prelude::*;

const TIER: &str = "tier";

#[korf::on_create(ConfigMap, labels = {"mirror": true})]
async fn truth_as_label() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels = {TIER: 1})]
async fn number_as_label() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, annotations = {"note": -5})]
async fn number_as_annotation() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels = {mirror: "true"})]
async fn unquoted() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels = {example.com/mirror: "true"})]
async fn unquoted_with_a_domain() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels = {"my label": present})]
async fn impossible_key() -> Result {
    Ok(())
}

#[korf::on_create(ConfigMap, labels = {"app": "two words"})]
async fn impossible_value() -> Result {
    Ok(())
}

#[korf::on_field(ConfigMap, field = ".data")]
async fn leading_dot() -> Result {
    Ok(())
}

#[korf::on_field(ConfigMap, field = "/data/x")]
async fn slashes() -> Result {
    Ok(())
}

#[korf::on_field(ConfigMap, field = "spec.containers[0].image")]
async fn item_of_a_list() -> Result {
    Ok(())
}

#[korf::on_field(ConfigMap, field = "metadata.labels.app.kubernetes.io/name")]
async fn label_with_dots() -> Result {
    Ok(())
}

#[korf::on_field(ConfigMap, field = ["metadata", "", "x"])]
async fn empty_key() -> Result {
    Ok(())
}

fn main() {}
