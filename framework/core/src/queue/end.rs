//! End of a turn: what the worker has found becomes what is known of the object, and says when its next turn is.

use super::{
    Queue,
    backlog::Pending,
    outage::{Blocked, Blockings},
    turn::{NextTick, TurnEnd, TurnReport},
};
use crate::{Uid, cause::Resumption, schedule::Alarm, version::Newest};
use std::{sync::Arc, time::Instant};

impl Queue {
    /// Takes in how a turn has ended.
    pub fn finish(&mut self, report: TurnReport, now: Instant) {
        let TurnReport { uid, end, undelivered, tick, body, failed, patient } = report;
        let Some(source) = self.objects.get(&uid).map(|entry| entry.source) else { return };
        let needs = self.needs(source);
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.running = false;
        if self.take_back(&uid, now) || self.finish_earlier(&uid, &end, undelivered, now) {
            return;
        }
        let Some(entry) = self.objects.get_mut(&uid) else { return };
        entry.has_called(matches!(end, TurnEnd::Seen { planned: true, called: true, .. }));
        entry.failed = failed.unwrap_or(entry.failed);
        entry.patient = patient.unwrap_or(entry.patient);
        if let Some(event) = undelivered {
            // Later events stand for it, too.
            entry.event.get_or_insert(event);
        }
        if let Some(body) = body.filter(|_| needs.bodies) {
            entry.rare().retained = Some(body);
        }
        match tick {
            NextTick::AsBefore => {}
            NextTick::At(at) => self.schedule.set(&uid, Alarm::Tick, at),
            NextTick::Never => drop(self.schedule.clear(&uid, Alarm::Tick)),
        }
        match end {
            TurnEnd::Gone => return self.bury(&uid, now),
            TurnEnd::Partial { due: None } | TurnEnd::Lost => {}
            TurnEnd::Partial { due: Some(due) } => self.schedule.set_by(&uid, Alarm::Turn, now + due),
            TurnEnd::Unread { delay } => {
                entry.failed(true);
                self.schedule.set(&uid, Alarm::Turn, now + delay);
            }
            TurnEnd::Failed { delay, newest } => return self.throttle(&uid, newest, now + delay),
            TurnEnd::Seen {
                newest,
                due,
                settled,
                resumed,
                planned,
                called: _,
                waiting,
                blocked,
                got_past,
                stored,
                generation,
            } => {
                entry.stored |= stored;
                entry.generation = generation.unwrap_or(entry.generation);
                let first = entry.resumption == Some(Resumption::Start);
                entry.rest(resumed, planned, waiting);
                let before = entry.block(blocked.clone());
                self.rest(&uid, newest, due.map(|due| now + due));
                self.plan_resync(&uid, needs.resync.filter(|_| settled), first, now);
                self.blocked(&uid, before, blocked, &got_past, now);
            }
        }
        let due = self.objects.get(&uid).is_some_and(|entry| entry.tick_due);
        match self.backlog.get(&uid) {
            Some(Pending::Echo(_)) => self.take_turn(uid.clone()),
            Some(_) => self.enqueue(uid.clone(), now),
            None if due => self.give_tick(&uid),
            None => {}
        }
        self.give_woken(&uid);
        self.give_resumption(&uid, now);
    }

    /// Takes in what an object's handlers waited for before its turn and after it, and what they have got past.
    pub(super) fn blocked(
        &mut self,
        uid: &Uid,
        before: Blockings,
        after: Blockings,
        got_past: &[Arc<str>],
        now: Instant,
    ) {
        for cause in got_past {
            for other in self.outages.end(uid, cause, now) {
                self.call_early(other, cause);
            }
        }
        for Blocked { cause, .. } in before.into_values() {
            if !after.values().any(|blocked| blocked.cause == cause) {
                self.outages.leave(uid, &cause, now);
            }
        }
        for blocked in after.into_values() {
            self.outages.wait(uid, blocked, now);
        }
    }

    /// Delays the next turn of an object that the framework has failed over.
    pub(super) fn throttle(&mut self, uid: &Uid, newest: Option<Newest>, until: Instant) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        entry.failed(false);
        // One that never converges was planned for again and again.
        entry.planned |= newest.is_some();
        if let Some(newest) = newest {
            self.outdate(uid, newest);
        }
        self.schedule.set(uid, Alarm::Turn, until);
    }

    /// Lets an object rest until its next turn.
    pub(super) fn rest(&mut self, uid: &Uid, newest: Newest, until: Option<Instant>) {
        self.outdate(uid, newest);
        self.schedule.clear(uid, Alarm::Turn);
        if let Some(until) = until {
            self.schedule.set(uid, Alarm::Turn, until);
        }
    }

    /// Drops what came while the worker was busy, if it is an echo of the worker's own writes.
    pub(super) fn outdate(&mut self, uid: &Uid, newest: Newest) {
        let Some(entry) = self.objects.get_mut(uid) else { return };
        let covered = entry.catch_up(newest);
        // Event handlers are called for it all the same.
        let undelivered = entry.event.is_some();
        match (covered, self.backlog.take(uid)) {
            (Some(true), Some(Pending::Body(state))) if undelivered => {
                self.backlog.put(uid, state.body().map_or(Pending::Fetch, Pending::Echo));
            }
            (Some(true), Some(Pending::Fetch)) if undelivered => self.backlog.put(uid, Pending::Fetch),
            (Some(true), Some(Pending::Body(_) | Pending::Fetch)) | (_, None) => {}
            // Versions that can't be compared: only the API server knows.
            (None, Some(Pending::Body(_))) => self.backlog.put(uid, Pending::Fetch),
            (_, Some(other)) => self.backlog.put(uid, other),
        }
    }
}
