//! Giving of turns: who gets one, and whose it is next.

use super::{
    Queue,
    backlog::Pending,
    entry::Life,
    turn::{Extent, Job},
};
use crate::{Uid, schedule::Alarm};
use std::{mem, sync::Arc, time::Instant};

impl Queue {
    /// Takes out the turn of the object that has waited longest.
    pub fn next_job(&mut self) -> Option<Job> {
        while let Some(uid) = self.turns.pop() {
            // One that has had a turn before its time waits no longer.
            if let Some(entry) = self.objects.get_mut(&uid).filter(|entry| entry.queued) {
                return Some(entry.job(&uid, self.backlog.take(&uid)));
            }
        }
        None
    }

    /// Gives this object a turn before its time, though it may be throttled; none if it is gone, or a worker has it. One that gets
    /// no other turns has it for what its daemons ask for.
    pub fn job_of(&mut self, uid: &Uid) -> Option<Job> {
        if !self.is_there(uid) || self.is_at_work(uid) {
            return None;
        }
        Some(self.objects.get_mut(uid)?.job(uid, self.backlog.take(uid)))
    }

    /// Gives a turn to an object for its daemons, unless it is throttled: with all that belongs to a turn, or to write
    /// what they ask for and to start them.
    pub fn wake(&mut self, uid: &Uid, extent: Extent) {
        if !self.is_there(uid) || !self.serves(uid) {
            return;
        }
        match extent {
            Extent::Whole => {
                if let Some(entry) = self.objects.get_mut(uid) {
                    entry.woken = true;
                }
                self.give_woken(uid);
            }
            Extent::Partial => {
                if let Some(entry) = self.objects.get_mut(uid) {
                    entry.tick_due = true;
                }
                self.give_tick(uid);
            }
            Extent::Edits => {}
        }
    }

    /// Whether a worker has this object.
    pub fn is_at_work(&self, uid: &Uid) -> bool {
        self.objects.get(uid).is_some_and(|entry| entry.running)
    }

    /// When this object has its next turn, if it waits for one.
    pub fn turn_at(&self, uid: &Uid) -> Option<Instant> {
        self.schedule.get(uid, Alarm::Turn)
    }

    /// Gives a turn to an object, unless it is throttled; that ends its wait.
    pub(super) fn enqueue(&mut self, uid: Uid, now: Instant) {
        if self.is_throttled(&uid) {
            return;
        }
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if let Some(due) = self.schedule.clear(&uid, Alarm::Turn) {
            entry.rare().unslept = Some(due.saturating_duration_since(now));
        }
        self.take_turn(uid);
    }

    /// Whether the framework has failed over an object, and its delay isn't over. Where the object could not be read, only
    /// reads are delayed.
    pub(super) fn is_throttled(&self, uid: &Uid) -> bool {
        let Some(entry) = self.objects.get(uid) else { return false };
        let to_read = !matches!(self.backlog.get(uid), Some(Pending::Body(_) | Pending::Gone(_)));
        entry.errors() > 0 && self.schedule.get(uid, Alarm::Turn).is_some() && (to_read || !entry.is_unread())
    }

    pub(super) fn take_turn(&mut self, uid: Uid) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        if entry.ours && !entry.queued && !entry.running {
            entry.queued = true;
            self.turns.push(uid);
        }
    }

    /// Gives an object the turn that was to come later.
    pub(super) fn turn_is_due(&mut self, uid: Uid) {
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.turn_due = true;
        // A worker has it, or is about to, for event handlers alone: it is to be handled, too.
        match self.backlog.get(&uid) {
            Some(Pending::Gone(_)) => {}
            Some(Pending::Echo(_)) => self.backlog.put(&uid, Pending::Fetch),
            _ if entry.running => self.backlog.put(&uid, Pending::Fetch),
            _ => {}
        }
        self.take_turn(uid);
    }

    /// Gives a turn to an object whose handlers wait for a cause: they are called though they aren't due.
    pub(super) fn call_early(&mut self, uid: Uid, cause: &Arc<str>) {
        let throttled = self.is_throttled(&uid);
        let Some(entry) = self.objects.get_mut(&uid).filter(|entry| entry.life == Life::There) else {
            return;
        };
        entry.rare().early.insert(Arc::clone(cause));
        // The end of a turn covers what came meanwhile.
        entry.woken |= entry.running;
        if throttled || entry.running {
            return;
        }
        self.schedule.clear(&uid, Alarm::Turn);
        self.turn_is_due(uid);
    }

    /// Gives a turn to an object for its timers and daemons. One that could not be read for its handlers doesn't wait for
    /// that, if its newest state is retained.
    pub(super) fn give_tick(&mut self, uid: &Uid) {
        let Some(entry) = self.objects.get(uid) else { return };
        let partial = self.backlog.get(uid).is_none() && !entry.turn_due && !entry.is_resumed_next();
        if !self.is_throttled(uid) || partial && entry.is_unread() && entry.newest_retained().is_some() {
            self.take_turn(uid.clone());
        }
    }

    /// Gives an object the turn that it was woken for, once no worker has it. One that is throttled gets a whole turn anyway.
    pub(super) fn give_woken(&mut self, uid: &Uid) {
        let throttled = self.is_throttled(uid);
        let Some(entry) = self.objects.get_mut(uid).filter(|entry| !entry.running) else { return };
        if mem::take(&mut entry.woken) && !throttled {
            self.turn_is_due(uid.clone());
        }
    }
}
