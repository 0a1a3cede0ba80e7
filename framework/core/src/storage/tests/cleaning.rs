//! Cleaning of stored essences.

use super::*;

fn base(body: &Body, essence: &Value) -> Body {
    merged(body, &own().write_diff_base(body, &StoredEssence::Whole(essence.clone().into())).patch)
}

#[test]
fn a_diff_base_that_kopf_wrote_in_clear_into_a_secret_compares_with_digests() {
    let secret: Body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"uid": "u", "annotations": {"kopf.zalando.org/last-handled-configuration":
            r#"{"data":{"password":"c2VjcmV0"},"type":"Opaque"}"#}},
        "data": {"password": "c2VjcmV0"},
    })
    .into();
    let storage = kopf();
    let old = essence(&secret, &storage, &[]);
    assert_eq!(storage.read_diff_base(&secret), whole(old.clone()));
    assert!(!old.to_string().contains("c2VjcmV0"));
}

#[test]
fn what_another_operator_left_in_the_diff_base_before_it_was_marked_is_no_change() {
    let old = json!({"metadata": {"annotations": {"other.dev/fn": "{}"}}});
    let body = annotated(json!({"other.dev/fn": "{}", "other.dev/kopf-managed": "yes"}));
    let body = base(&body, &old);
    let new = essence(&body, &own(), &[]);
    assert!(own().read_diff_base(&body).unwrap().diff(&new).is_empty());
}

#[test]
fn our_finalizer_in_the_diff_base_is_no_change() {
    let old = json!({"metadata": {"finalizers": ["x", "my-op.korf.dev/finalizer"], "resourceVersion": "1"}});
    let body = base(&annotated(json!({})), &old);
    assert_eq!(own().read_diff_base(&body), whole(json!({"metadata": {"finalizers": ["x"]}})));
}
