//! Objects that are too large for their records.

use crate::things::{Calls, Thing, cluster, lines, raw, text, thing};
use korf_testing::Cluster;
use serde_json::json;
use tracing::Level;

const KIB: usize = 1024;

/// It can't be compressed.
fn noise(seed: u64, length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| random.alphanumeric()).collect()
}

fn base(cluster: &Cluster, name: &str) -> String {
    let base = &raw(cluster, name)["metadata"]["annotations"]["things.korf.dev/last-handled-configuration"];
    base.as_str().unwrap().to_owned()
}

#[test]
fn a_large_object_is_created_once_and_each_change_of_it_is_an_update() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    cluster.create(&thing("a", &noise(1, 700 * KIB))).unwrap();
    assert!(base(&cluster, "a").starts_with(r#"{"korf":{"digest":"#));
    for seed in 2..4 {
        cluster.patch::<Thing>("a", text(&noise(seed, 700 * KIB))).unwrap();
    }
    let warned =
        |cluster: &Cluster| lines(cluster, Level::WARN, "only a digest of its diff-base is stored").len();
    assert_eq!(warned(&cluster), 1);
    cluster.restart().unwrap();
    cluster.patch::<Thing>("a", text(&noise(5, 700 * KIB))).unwrap();
    assert_eq!(calls.all(), ["create a", "update a", "update a", "update a"]);
    assert_eq!(warned(&cluster), 2, "once per process");
    assert!(lines(&cluster, Level::ERROR, "").is_empty());
    cluster.patch::<Thing>("a", text("small")).unwrap();
    assert_eq!(base(&cluster, "a"), "{\"spec\":{\"text\":\"small\"}}\n");
}

#[test]
fn a_compressible_diff_base_is_compressed_and_the_diff_is_known() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator.kopf_compatible());
    cluster.create(&thing("a", &"0123456789abcdef".repeat(44 * KIB))).unwrap();
    assert_eq!(lines(&cluster, Level::DEBUG, "is stored compressed").len(), 1);
    cluster.patch::<Thing>("a", text("small")).unwrap();
    assert_eq!(calls.all(), ["create a", "update a"]);
    assert_eq!(lines(&cluster, Level::DEBUG, "Updating diff: (('change', ('spec', 'text'), '0123").len(), 1);
    assert!(lines(&cluster, Level::WARN, "").is_empty());
}

#[test]
fn changes_of_handlers_are_stored_and_our_own_records_shrink() {
    let calls = Calls::default();
    let mut cluster = cluster(&calls, |operator| operator);
    let mut large = thing("a", &noise(1, 60 * KIB));
    large.metadata.annotations = Some([("user".to_owned(), noise(2, 20 * KIB))].into());
    let wish = json!({"metadata": {"annotations": {"wish": noise(3, 160 * KIB)}}});
    large.spec.wish = Some(wish);
    cluster.create(&large).unwrap();
    assert!(raw(&cluster, "a")["metadata"]["annotations"]["wish"].is_string());
    assert_eq!(calls.all()[0], "create a");
    assert!(lines(&cluster, Level::ERROR, "").is_empty(), "{:?}", lines(&cluster, Level::ERROR, ""));
}
