//! What has to come of everything in the end.

use super::*;

impl Cluster {
    /// Lets everything come to rest, and checks that nothing was forgotten.
    pub fn settle(mut self) {
        for _ in 0..1000 {
            let next = self.queue.next_timer();
            if self.tell().or_else(|| self.rest(0, None)).or_else(|| self.take()).is_some() {
                self.queue.check();
            } else if let Some(next) = next {
                self.wait(next - self.now);
            } else {
                return self.check_rest();
            }
        }
        panic!("it comes to no rest");
    }

    fn check_rest(&self) {
        let there: BTreeMap<_, _> = self.shown().map(|object| (object.uid.clone(), object.version)).collect();
        let known: BTreeSet<_> = self.queue.objects.keys().collect();
        assert_eq!(known, there.keys().collect(), "left: what the queue knows, right: what is there");
        let seen = there.keys().filter_map(|uid| Some((uid.clone(), *self.seen.get(uid)?)));
        assert_eq!(seen.collect::<BTreeMap<_, _>>(), there, "left: what was looked at, right: what is there");
        assert_eq!((&self.untold, &self.promised), (&BTreeMap::new(), &BTreeSet::new()));
    }
}
