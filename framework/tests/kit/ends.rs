//! What is left undone when the operator is told to stop.

use crate::lights::{House, Light, cluster, light};
use korf::{Name, Operator, Registry, on_create};
use korf_testing::{
    Cluster,
    api::{Fate, Faults, Request, Trouble},
};

/// An API server that takes no changes.
struct Busy;

impl Faults for Busy {
    fn request(&mut self, request: &Request) -> Fate {
        if request.is_write() { Fate::before(Trouble::Refused(503)) } else { Fate::pass() }
    }
}

/// What an operator says of handlers and changes when it stops.
fn said_in_the_end(mut cluster: Cluster) -> Vec<String> {
    let before = cluster.lines().len();
    cluster.stop().unwrap();
    let lines = cluster.lines().into_iter().skip(before).filter(|line| line.object.is_none());
    lines.map(|line| line.message).collect()
}

#[test]
fn handlers_that_do_not_finish_are_told_from_changes_that_are_not_stored() {
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
                "The changes of 1 object(s) could not be stored within 25 seconds; what led to them is done again at the \
                 next start.",
            ],
        ),
        (
            vec!["quick", "slow", "slower"],
            vec![
                "Waiting up to 25 seconds for 2 running handler(s) to finish, and for the changes of 1 object(s) to be stored.",
                "2 handler(s) did not finish within 25 seconds and are cancelled; they are called again at the next start.",
                "The changes of 1 object(s) could not be stored within 25 seconds; what led to them is done again at the \
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
        assert_eq!(said_in_the_end(cluster), expected);
    }
}

#[test]
fn an_operator_with_nothing_to_do_stops_without_a_word() {
    let mut cluster = cluster(&House::default());
    cluster.create(&light("a", "red")).unwrap();
    assert_eq!(said_in_the_end(cluster), [""; 0]);
}
