use k8s_openapi::api::core::v1::Secret;

#[korf::needs]
fn of_nothing() {}

#[korf::needs(Secret)]
fn without_verbs() {}

#[korf::needs(Secret, read)]
fn with_an_unknown_verb() {}

#[korf::needs(name = "a", Secret, get)]
fn with_the_kind_last() {}

#[korf::needs(String, get)]
fn of_no_kind() {}

#[korf::needs(Secret, get, name = a)]
fn with_an_unquoted_name() {}

fn main() {}
