//! Objects that another replica has for a while.

use super::*;

impl Cluster {
    pub fn leave(&mut self) {
        if mem::replace(&mut self.left, true) {
            return;
        }
        for uid in mem::take(&mut self.gone) {
            self.shown.remove(&uid);
        }
        self.running.iter_mut().for_each(|turn| turn.earlier = true);
        for owed in [&mut self.retries, &mut self.ticks, &mut self.triggered, &mut self.resuming] {
            owed.clear();
        }
        self.prompted.clear();
        self.undelivered.clear();
        self.queue.leave(Shard(0), self.now);
    }

    pub fn serve(&mut self) {
        if !mem::replace(&mut self.left, false) {
            return;
        }
        for turn in &self.running {
            // It may have gone meanwhile: its end is told then.
            self.shown.entry(turn.job.body.uid().to_owned()).or_default();
        }
        // No event comes from before the listing that follows.
        for (uid, versions) in &mut self.shown {
            versions.clear();
            self.undelivered.insert(uid.clone(), false);
        }
        self.queue.serve(Shard(0));
        self.list();
    }

    /// A turn that began before the objects were left is over: nothing is owed for it.
    pub(super) fn end_earlier(&mut self, turn: &Running) {
        let uid = turn.job.body.uid().to_owned();
        let end = match self.newest_of(turn) {
            Some(newest) => at_rest(newest, None),
            None => {
                if self.left {
                    self.shown.remove(&uid);
                }
                TurnEnd::Gone
            }
        };
        self.queue.finish(ended(&uid, end), self.now);
    }
}
