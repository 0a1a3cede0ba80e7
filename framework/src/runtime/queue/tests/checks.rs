//! What holds between the parts of a queue.

use super::*;

impl Queue {
    /// Whether an object is to be looked at by itself: now, or after a while.
    pub fn is_planned(&self, uid: &str) -> bool {
        self.timers.is_set(uid) || self.objects.get(uid).is_some_and(|entry| entry.queued)
    }

    /// Checks that the parts fit together.
    pub fn check(&self) {
        let mut turns: Vec<_> = self.turns.iter().collect();
        turns.sort();
        let mut queued: Vec<_> =
            self.objects.iter().filter(|(_, entry)| entry.queued).map(|(uid, _)| uid).collect();
        queued.sort();
        assert_eq!(turns, queued, "left: who has a turn, right: who is to have one");
        assert!(self.objects.values().all(|entry| !(entry.queued && entry.running)));
        for uid in self.timers.uids() {
            assert!(self.objects.contains_key(uid), "a timer for {uid}, which nobody knows");
        }
        for uid in self.backlog.uids() {
            let entry = self.objects.get(uid).unwrap();
            let left_alone = self.is_left_alone(uid);
            assert!(entry.queued || entry.running || left_alone, "the news of {uid} are forgotten");
        }
        assert_eq!(self.backlog.bytes(), self.backlog.weighed());
    }
}
