//! Tests that fail say why.

use crate::lights::{House, Light, cluster, light};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of the panic.
fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap()
}

#[test]
fn a_message_is_found_by_a_part_of_it_and_for_its_own_object_alone() {
    let mut cluster = cluster(&House::default());
    cluster.create(&light("a", "red")).unwrap();
    assert!(cluster.logged("a", "Creation is processed"));
    assert!(!cluster.logged("a", "Deletion is processed"));
    assert!(!cluster.logged("b", "Creation is processed"));
    cluster.assert_logged("a", "Creation is processed");
}

#[test]
fn a_missing_message_is_reported_with_the_log() {
    let mut cluster = cluster(&House::default());
    cluster.create(&light("a", "red")).unwrap();
    let message = panic_of(|| cluster.assert_logged("a", "the lamp is broken"));
    assert!(
        message.starts_with("no message about a contains \"the lamp is broken\". The log:\n"),
        "{message}"
    );
    assert!(message.contains("[default/a] Creation is processed: 1 succeeded; 0 failed."), "{message}");
}

/// Async tests are what one writes first.
#[tokio::test]
async fn a_cluster_in_an_async_test_says_how_to_write_the_test() {
    let message = panic_of(|| drop(cluster(&House::default())));
    assert!(message.contains("Write the test with `#[test]`"), "{message}");
}

#[test]
fn a_cluster_used_within_its_own_future_says_so() {
    let cluster = cluster(&House::default());
    let message = panic_of(|| cluster.run(async { assert!(cluster.exists::<Light>("a")) }));
    assert!(message.contains("it can't be used in async code"), "{message}");
}
