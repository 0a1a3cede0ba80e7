//! What holds whatever happens.

use super::{cluster::Cluster, steps::step};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_is_forgotten_and_nothing_is_handed_out_twice(steps in vec(step(), 1..120), narrow: bool) {
        let mut cluster = Cluster::new(narrow);
        for step in steps {
            cluster.step(step);
        }
        cluster.settle();
    }
}
