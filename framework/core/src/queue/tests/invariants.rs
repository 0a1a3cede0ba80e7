//! Invariants between the parts of a queue.

use super::*;

impl Queue {
    /// Whether a turn of an object is queued or scheduled.
    pub fn is_planned(&self, uid: &str) -> bool {
        let uid = &Uid::from(uid);
        let queued = self.objects.get(uid).is_some_and(|entry| entry.queued);
        let scheduled = |alarm| self.schedule.get(uid, alarm).is_some();
        scheduled(Alarm::Turn) || scheduled(Alarm::Trigger) || queued
    }

    /// Whether a tick of an object is due or scheduled.
    pub fn is_ticking(&self, uid: &str) -> bool {
        let uid = &Uid::from(uid);
        self.schedule.get(uid, Alarm::Tick).is_some()
            || self.objects.get(uid).is_some_and(|entry| entry.tick_due)
    }

    /// Checks the invariants.
    pub fn check(&self) {
        let mut turns: Vec<_> = self.turns.uids().collect();
        turns.sort();
        let mut queued: Vec<_> =
            self.objects.iter().filter(|(_, entry)| entry.queued).map(|(uid, _)| uid).collect();
        queued.sort();
        assert_eq!(turns, queued, "left: queued turns, right: objects that count as queued");
        assert!(self.objects.values().all(|entry| !(entry.queued && entry.running)));
        let mut of_sources: Vec<_> = self.sources.values().flatten().collect();
        let mut known: Vec<_> = self.objects.keys().collect();
        of_sources.sort();
        known.sort();
        assert_eq!(of_sources, known, "left: uids by source, right: known objects");
        for (uid, entry) in &self.objects {
            assert!(self.sources[&entry.source].contains(uid));
        }
        for uid in self.schedule.uids() {
            assert!(self.objects.contains_key(uid), "{uid} is scheduled but unknown");
        }
        for uid in self.backlog.uids() {
            let entry = self.objects.get(uid).unwrap();
            let throttled = self.is_throttled(uid);
            assert!(entry.queued || entry.running || throttled, "the newest event of {uid} is lost");
        }
        assert_eq!(self.backlog.bytes(), self.backlog.weighed());
    }
}
