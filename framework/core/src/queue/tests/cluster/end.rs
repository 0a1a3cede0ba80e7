//! Final state of a cluster.

use super::*;

impl Cluster {
    /// Runs until nothing is left to do, and checks that nothing was lost.
    pub fn settle(mut self) {
        if self.left {
            self.serve();
        } else if self.away {
            self.list();
        }
        for _ in 0..1000 {
            let next = self.queue.next_due();
            if self.deliver().or_else(|| self.end_turn(0, None, None)).or_else(|| self.take()).is_some() {
                self.queue.check();
            } else if let Some(next) = next {
                self.wait(next - self.now);
            } else {
                return self.check_end();
            }
        }
        panic!("the cluster never settles");
    }

    fn check_end(&self) {
        let existing: BTreeMap<_, _> =
            self.objects.values().map(|object| (object.uid.clone(), object.version)).collect();
        let known: BTreeSet<_> = self.queue.objects.keys().map(Uid::to_string).collect();
        assert_eq!(known, existing.keys().cloned().collect(), "left: known to the queue, right: existing");
        let seen = existing.keys().filter_map(|uid| Some((uid.clone(), *self.seen.get(uid)?)));
        assert_eq!(seen.collect::<BTreeMap<_, _>>(), existing, "left: seen by workers, right: existing");
        assert_eq!((&self.undelivered, &self.retries), (&BTreeMap::new(), &BTreeSet::new()));
        assert_eq!(&self.ticks, &BTreeSet::new(), "lost ticks");
        let lost = self.triggered.iter().find(|uid| !self.is_gone(uid));
        assert_eq!(lost, None, "a lost trigger");
    }
}
