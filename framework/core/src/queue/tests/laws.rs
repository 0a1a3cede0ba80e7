//! Laws of the queue, checked on random steps.

use super::{cluster::Cluster, steps::step};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_event_is_lost_and_no_object_has_two_workers(steps in vec(step(), 1..120)) {
        let mut cluster = Cluster::new();
        for step in steps {
            cluster.step(step);
        }
        cluster.settle();
    }
}
