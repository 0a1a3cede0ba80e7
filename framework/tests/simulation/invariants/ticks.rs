//! Timers tick at their intervals.

use crate::{
    history::{History, Violation, is_deleting, uid},
    timer::{Clockwork, Tick},
};
use jiff::Timestamp;
use std::time::Duration;

/// More than anything takes once a run is quiet.
const SLACK: Duration = Duration::from_secs(30);

/// No call of a timer comes too early, or for an object that is being deleted; and none is missing in the end.
pub fn in_time(history: &History) -> Vec<Violation> {
    let Some(timer) = &history.world.timer else { return Vec::new() };
    let mut violations = Vec::new();
    for (at, tick) in history.ticks.iter().enumerate() {
        let is_same = |other: &&Tick| (other.life, &other.uid) == (tick.life, &tick.uid);
        let earlier: Vec<_> = history.ticks[..at].iter().filter(is_same).collect();
        if let (Some(first), Some(last)) = (earlier.first(), earlier.last())
            && is_early(timer, first, last, tick)
        {
            violations.push(Violation(format!("{} ticks at {} and at {}", tick.uid, last.begun, tick.begun)));
        }
        if tick.deleting {
            violations.push(Violation(format!("{} ticks at {} in its deletion", tick.uid, tick.begun)));
        }
    }
    let there = history.objects.iter().filter(|object| !is_deleting(object));
    for uid in there.map(|object| uid(object)) {
        let life = history.lives.len().saturating_sub(1);
        let last = history.ticks.iter().rfind(|tick| tick.life == life && tick.uid == uid);
        let limit = timer.interval + timer.work + SLACK;
        if last.is_none_or(|tick| since(tick.begun, history.end) > limit) {
            let last = last.map(|tick| tick.begun);
            violations
                .push(Violation(format!("{uid} has ticked last at {last:?}, and it is {}", history.end)));
        }
    }
    violations
}

fn since(begun: Timestamp, end: Timestamp) -> Duration {
    end.duration_since(begun).try_into().unwrap_or_default()
}

fn is_early(timer: &Clockwork, first: &Tick, last: &Tick, tick: &Tick) -> bool {
    let Some(ended) = last.ended else { return true };
    let point = |tick: &Tick| since(first.begun, tick.begun).as_millis() / timer.interval.as_millis();
    if timer.sharp { point(last) >= point(tick) } else { since(ended, tick.begun) < timer.interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Telling;

    /// A history of calls that begin at these seconds, and last two; at the end, it is so late.
    fn history(sharp: bool, begun: &[i64], end: i64) -> History {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut history = Telling::of([]).history();
        let (interval, work) = (Duration::from_secs(100), Duration::from_secs(2));
        history.world.timer = Some(Clockwork { interval, sharp, work });
        history.end = at(end);
        let uid = history.objects.first().map(|object| uid(object).to_owned()).unwrap_or_default();
        let life = history.lives.len().saturating_sub(1);
        let tick = |second: &i64| Tick {
            uid: uid.clone(),
            life,
            begun: at(*second),
            ended: Some(at(second + 2)),
            deleting: false,
        };
        history.ticks = begun.iter().map(tick).collect();
        history
    }

    #[test]
    fn calls_that_come_too_early_or_not_at_all_or_in_a_deletion_are_found() {
        let cases = [
            (false, vec![0, 102, 204], 300, 0),
            (false, vec![0, 101], 200, 1),
            (true, vec![0, 100, 265, 300], 350, 0),
            (true, vec![0, 165, 199], 250, 1),
            (false, vec![0], 133, 1),
            (false, vec![], 50, 1),
        ];
        for (sharp, begun, end, violations) in cases {
            let history = history(sharp, &begun, end);
            assert_eq!(in_time(&history).len(), violations, "{sharp} {begun:?} {end}");
        }
        let mut deleting = history(false, &[0], 50);
        deleting.ticks[0].deleting = true;
        assert_eq!(in_time(&deleting).len(), 1);
        let mut overlapping = history(false, &[0, 200], 210);
        overlapping.ticks[0].ended = None;
        assert_eq!(in_time(&overlapping).len(), 1);
    }
}
