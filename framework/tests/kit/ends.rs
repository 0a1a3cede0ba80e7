//! Unfinished work when the operator stops.

use crate::lights::{House, Light, cluster, light};
use korf::{Name, Operator, handler::Registry, on_create};
use korf_testing::{
    Cluster,
    api::{Delivery, Fault, Faults, Request},
};

/// An API server that rejects all writes.
struct Busy;

impl Faults for Busy {
    fn request(&mut self, request: &Request) -> Delivery {
        if request.is_write() { Delivery::before(Fault::Rejected(503)) } else { Delivery::pass() }
    }
}

/// Stops the operator. Returns its last lines about handlers and changes.
fn last_lines(mut cluster: Cluster) -> Vec<String> {
    let before = cluster.lines().len();
    cluster.stop().unwrap();
    let lines = cluster.lines().into_iter().skip(before).filter(|line| line.object.is_none());
    lines.map(|line| line.message).collect()
}

#[test]
fn unfinished_handlers_and_unsaved_changes_are_reported_separately() {
    async fn hang(name: Name) {
        if name.starts_with("slow") {
            std::future::pending::<()>().await;
        }
    }
    let operator =
        || Operator::with_registry("lights", Registry::from_iter([on_create::<Light>("hang").run(hang)]));
    let cases = [
        (
            vec!["slow"],
            vec![
                "Waiting up to 25 seconds for 1 running handler(s) to finish.",
                "1 handler(s) did not finish within 25 seconds and are cancelled; they are called again at the next start.",
            ],
        ),
        (
            vec!["quick"],
            vec![
                "Waiting up to 25 seconds for the changes of 1 object(s) to be stored.",
                "The changes of 1 object(s) could not be stored within 25 seconds; their handlers are called again at the \
                 next start.",
            ],
        ),
        (
            vec!["quick", "slow", "slower"],
            vec![
                "Waiting up to 25 seconds for 2 running handler(s) to finish, and for the changes of 1 object(s) to be stored.",
                "2 handler(s) did not finish within 25 seconds and are cancelled; they are called again at the next start.",
                "The changes of 1 object(s) could not be stored within 25 seconds; their handlers are called again at the \
                 next start.",
            ],
        ),
    ];
    for (names, expected) in cases {
        let mut cluster = Cluster::of(operator).unwrap();
        cluster.set_faults(Busy);
        for name in names {
            cluster.create(&light(name, "red")).unwrap();
        }
        assert_eq!(last_lines(cluster), expected);
    }
}

#[test]
fn an_idle_operator_stops_silently() {
    let mut cluster = cluster(&House::default());
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(last_lines(cluster), [""; 0]);
}
