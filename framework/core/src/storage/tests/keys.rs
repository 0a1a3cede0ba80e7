//! Keys of annotations, and names of operators.

use super::super::keys::{KnownKeys, keys};
use super::*;

const KOPF: &str = "kopf.zalando.org";
const LENGTHY: &str = "lengthy-operator-name-to-hit-63-chars.example.com";
const LONG: &str = "pppppppppppppppppppppppppppppppppppppppppppppppppp.korf.dev";
const LONGER: &str =
    "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp.qqqqqqqqqqqqqqqqqqqq.korf.dev";

/// What `AnnotationsProgressStorage(prefix=…).make_keys(…)` of Kopf 1.45.2 gives, less what Kubernetes
/// rejects; for a ReplicaSet of a Deployment where it says true.
const KEYS: &[(&str, &str, bool, &[&str])] = &[
    (KOPF, "create_fn", false, &["create_fn"]),
    (KOPF, "parent/sub/a", false, &["parent.sub.a"]),
    (KOPF, "fn/spec.field", false, &["fn.spec.field"]),
    (KOPF, "fn.<locals>.x", false, &["fn._locals_.x"]),
    (
        KOPF,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false,
        &[
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-LcrRHA",
        ],
    ),
    (
        KOPF,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        false,
        &[
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-5Keq3A",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-5Keq3A",
        ],
    ),
    (
        KOPF,
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        false,
        &["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
    ),
    (
        KOPF,
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        false,
        &[
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xRCOAQ",
        ],
    ),
    (
        KOPF,
        "create_fn_with_a_really_long_name/spec.some.nested.field.path.inside/sub",
        false,
        &[
            "create_fn_with_a_really_long_name.spec.some.nested.field-ADULfg",
            "create_fn_with_a_really_long_name.spec.-ahDtAA",
        ],
    ),
    (
        KOPF,
        "main/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/",
        false,
        &[
            "main.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub-ew5UmQ",
            "main.sub.sub.sub.sub.sub.sub.sub.sub.su-uq6JPA",
        ],
    ),
    (
        KOPF,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa日本/日本/日本/日本/",
        false,
        &[
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-Gt8zzA",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa--MiriA",
        ],
    ),
    (KOPF, "create_fn", true, &["create_fn-ofDRS"]),
    (
        KOPF,
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        true,
        &[
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-ofDRS",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-Nt651A",
        ],
    ),
    (
        KOPF,
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        true,
        &[
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy-ofDRS",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy-NyXgDA",
        ],
    ),
    (
        KOPF,
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        true,
        &[
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy-1SdD.A",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy-1SdD.A",
        ],
    ),
    (LENGTHY, "fn", false, &["fn"]),
    (LENGTHY, "create_fn/spec.some.field", false, &["create_fn.spec.some.field", "create-0-rD7w"]),
    (
        LENGTHY,
        "main/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/",
        false,
        &["main.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub-ew5UmQ", "main.s-uq6JPA"],
    ),
    (LENGTHY, "last-handled-configuration", false, &["last-handled-configuration", "last-h-a.A3qw"]),
    (LONG, "fn", false, &["fn"]),
    (
        LONG,
        "create_fn/spec.some.field",
        false,
        &["create_fn.spec.some.field", "create_fn.spec.some.f-0-rD7w"],
    ),
    (
        LONG,
        "main/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/",
        false,
        &["main.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub-ew5UmQ"],
    ),
    (
        LONG,
        "last-handled-configuration",
        false,
        &["last-handled-configuration", "last-handled-configura-a.A3qw"],
    ),
    (LONGER, "fn", false, &["fn"]),
    (LONGER, "create_fn/spec.some.field", false, &["create_fn.spec.some.field"]),
    (
        LONGER,
        "main/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/sub/",
        false,
        &["main.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub.sub-ew5UmQ"],
    ),
    (LONGER, "last-handled-configuration", false, &["last-handled-configuration"]),
];

#[test]
fn keys_are_kopfs() {
    let plain: Body = json!({"kind": "X", "metadata": {}}).into();
    let owners = json!([{"kind": "Other"}, {"kind": "Deployment"}]);
    let owned: Body = json!({"kind": "ReplicaSet", "metadata": {"ownerReferences": owners}}).into();
    for &(prefix, id, is_owned, expected) in KEYS {
        let expected: Vec<_> = expected.iter().map(|name| format!("{prefix}/{name}")).collect();
        let (body, other) = if is_owned { (&owned, &plain) } else { (&plain, &owned) };
        let known = KnownKeys::default();
        let keys_of = |body| known.get(id, body, |name| keys(prefix, name, true));
        // What is known of one kind of object is nothing to the other, and stays the same.
        assert_ne!(*keys_of(other), expected[..], "{prefix} {id}");
        for _ in 0..2 {
            assert_eq!(*keys_of(body), expected[..], "{prefix} {id}");
        }
    }
}

#[test]
fn only_replica_sets_of_deployments_have_keys_of_their_own() {
    for (kind, owner) in [("ReplicaSet", "Other"), ("Pod", "Deployment")] {
        let body: Body = json!({"kind": kind, "metadata": {"ownerReferences": [{"kind": owner}]}}).into();
        assert_eq!(*InAnnotations::kopf().keys(Slot::Progress("fn"), &body), ["kopf.zalando.org/fn"]);
    }
}

#[test]
fn a_prefix_of_ones_own_has_no_old_keys() {
    let location = InAnnotations::new(&format!("{}.korf.dev", "p".repeat(50))).unwrap();
    assert_eq!(location.keys(Slot::Progress("create_fn/spec.some.field"), &annotated(json!({}))).len(), 1);
}

#[test]
fn ids_whose_keys_kubernetes_would_reject_have_a_key_of_korfs_own() {
    let names = ["<lambda>", "main/", "", "éééé", "日本", "-", &"é".repeat(80), "x y"];
    let all: std::collections::BTreeSet<_> = names.into_iter().map(own_key).collect();
    assert_eq!(all.len(), names.len(), "no two are the same: {all:?}");
    assert_eq!(own_key("<lambda>"), "kopf.zalando.org/lambda_-trguFg");
}

fn own_key(id: &str) -> String {
    let keys = InAnnotations::kopf().keys(Slot::Progress(id), &annotated(json!({})));
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.concat()
}

#[test]
fn some_ids_are_reserved() {
    for id in ["kopf-managed", "last-handled-configuration", "korf-basis", "touch-dummy"] {
        assert!(Storage::reserves(id), "{id}");
    }
    assert!(!Storage::reserves("create_fn"));
}

#[test]
fn an_operators_name_makes_a_dns_name() {
    let longest = vec!["a".repeat(60); 4].join(".") + "z";
    assert_eq!(longest.len() + ".korf.dev".len(), 253);
    for name in ["a", "my-op", "op2", "team.my-op", &"a".repeat(63), &longest] {
        assert!(StorageConfig::default().storage(name).is_ok(), "{name}");
    }
    let over = format!("{longest}z");
    for name in
        ["", "My-Op", "my_op", "-a", "a-", "a.", ".a", "a..b", "a/b", "é", "a b", &"a".repeat(64), &over]
    {
        let error = StorageConfig::default().storage(name).unwrap_err().to_string();
        assert!(error.contains(&format!("{name:?}")), "{error}");
    }
}

proptest! {
    #[test]
    fn every_id_has_a_valid_key(id in "\\PC{0,90}", kopf in any::<bool>()) {
        let location = if kopf { InAnnotations::kopf() } else { annotations() };
        let keys = location.keys(Slot::Progress(&id), &annotated(json!({})));
        prop_assert!(!keys.is_empty());
        for key in &*keys {
            let (_, name) = key.split_once('/').unwrap();
            prop_assert!(name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)));
            prop_assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()));
            prop_assert!(name.ends_with(|c: char| c.is_ascii_alphanumeric()));
        }
    }
}
