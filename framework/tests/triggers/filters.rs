//! Filters that panic.

use crate::things::{Seen, Thing, cluster, thing};
use korf::{
    Name, State,
    filter::{Match, not},
    handler::Handler,
    on_create, on_delete, on_event, on_field,
};
use std::time::Duration;

async fn note(seen: State<Seen>, name: Name) {
    seen.note(&*name);
}

/// Panics for the object `bad`.
fn picky(name: Name) -> bool {
    assert!(&*name != "bad", "not that one");
    true
}

fn no_zero() -> Match {
    Match::passes(|size| {
        assert!(size != 0, "not that one");
        true
    })
}

/// Runs this handler, whose filter panics for `bad`, with that object and a `good` one. Returns the lines about `bad`.
fn lines_about_bad(handler: Handler) -> Vec<String> {
    let (mut cluster, seen) = cluster([on_create::<Thing>("first").run(async || {}), handler]);
    cluster.create(&thing("bad", 0)).unwrap();
    cluster.create(&thing("good", 1)).unwrap();
    cluster.advance(Duration::from_secs(2));
    assert!(cluster.logged("good", "Handler 'first' succeeded."));
    cluster.delete::<Thing>("good").unwrap();
    assert!(!cluster.exists::<Thing>("good"));
    assert!(seen.take().contains(&"good".to_owned()));
    cluster.lines_about("bad")
}

fn throttled(seconds: u32, id: &str) -> String {
    let why = format!("the filter of handler '{id}' panicked: not that one");
    format!("Throttling for {seconds} seconds due to an unexpected error: {why}")
}

#[test]
fn a_panicking_filter_is_named_and_delays_only_its_object() {
    let handlers = [
        (on_create::<Thing>("new").when(picky).run(note), "new"),
        (on_delete::<Thing>("drop").when(not(not(picky))).run(note), "drop"),
        (on_field::<Thing>("size", "spec.size").value(no_zero()).run(note), "size/spec.size"),
    ];
    for (handler, id) in handlers {
        assert_eq!(lines_about_bad(handler), [1, 1, 2].map(|seconds| throttled(seconds, id)));
    }
}

#[test]
fn a_panicking_filter_of_an_event_handler_is_named_and_other_handlers_are_called_later() {
    let lines = lines_about_bad(on_event::<Thing>("spy").when(picky).run(note));
    assert_eq!(lines.first(), Some(&throttled(1, "spy")));
    for line in ["Handler 'first' succeeded.", "Throttling is over. Switching back to normal operations."] {
        assert!(lines.iter().any(|logged| logged == line), "{lines:#?}");
    }
}
