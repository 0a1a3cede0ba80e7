//! Objects that the operator can't read for a while.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{Error, Result, State, on_create};
use korf_testing::api::{Delivery, Fault, Faults, Request};
use serde_json::json;
use std::time::Duration;

/// Reads of a single object fail with this code.
struct Unreadable(u16);

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Delivery {
        let reads = request.client == "operator" && !request.is_write() && request.path.ends_with("/a");
        if reads { Delivery::before(Fault::Rejected(self.0)) } else { Delivery::pass() }
    }
}

#[test]
fn a_change_from_the_watch_does_not_wait_for_a_failed_read() {
    async fn never(seen: State<Seen>) -> Result {
        seen.note("called");
        Err(Error::temporary("not yet", Duration::from_secs(10)))
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("never").run(never)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.set_faults(Unreadable(500));
    cluster.advance(Duration::from_secs(700));
    assert_eq!(seen.take(), ["called"], "a retry reads its object");
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["called"]);
}
