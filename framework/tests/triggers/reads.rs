//! Objects that the operator can't read for a while.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{
    Error, Result, State, on_create,
    testing::api::{Fate, Faults, Request, Trouble},
};
use serde_json::json;
use std::time::Duration;

/// Reads of a single object fail.
struct Unreadable;

impl Faults for Unreadable {
    fn request(&mut self, request: &Request) -> Fate {
        let reads = request.who == "operator" && !request.is_write() && request.path.ends_with("/a");
        if reads { Fate::before(Trouble::Refused(500)) } else { Fate::pass() }
    }
}

#[test]
fn a_change_that_needs_no_read_does_not_wait_for_an_object_that_could_not_be_read() {
    async fn never(seen: State<Seen>) -> Result {
        seen.note("called");
        Err(Error::temporary("not yet", Duration::from_secs(10)))
    }
    let (mut cluster, seen) = cluster([on_create::<Thing>("never").run(never)]);
    cluster.create(&thing("a", 1)).unwrap();
    cluster.set_faults(Unreadable);
    cluster.advance(Duration::from_secs(700));
    assert_eq!(seen.take(), ["called"], "a retry reads its object");
    cluster.patch::<Thing>("a", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(seen.take(), ["called"]);
}
