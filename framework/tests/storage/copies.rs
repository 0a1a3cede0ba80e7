//! Copies of objects, with all that the operator has stored on them.

use crate::things::{Calls, Thing, annotations, cluster, lines, text, thing};
use korf::Operator;
use kube::api::ObjectMeta;
use tracing::Level;

/// `kubectl get -o yaml`, another name, `kubectl apply`.
#[test]
fn a_copy_of_an_object_with_all_its_annotations_is_a_new_object() {
    for configure in [|operator| operator, Operator::status_storage, Operator::kopf_compatible] {
        let calls = Calls::default();
        let mut cluster = cluster(&calls, configure);
        cluster.create(&thing("a", "x")).unwrap();
        let mut copy = cluster.get::<Thing>("a").unwrap();
        let source = copy.metadata.clone();
        copy.metadata =
            ObjectMeta { name: Some("b".into()), annotations: source.annotations, ..<_>::default() };
        cluster.create(&copy).unwrap();
        assert_eq!(calls.all(), ["create a", "create b"]);
        let is_told =
            annotations(&cluster, "a").iter().any(|key| key.ends_with("last-handled-configuration"));
        // The API server drops the status of a new object.
        assert_eq!(lines(&cluster, Level::WARN, "a copy, or a backup").len(), usize::from(is_told));
        cluster.patch::<Thing>("b", text("y")).unwrap();
        assert_eq!(calls.all(), ["create a", "create b", "update b"]);
        cluster.restart().unwrap();
        assert_eq!(calls.all().len(), 3, "and is known from then on");
    }
}
