//! One object, one call at a time.

use crate::{
    history::{History, Violation},
    record::Called,
};

/// The calls for one object don't overlap, but that a sub-handler runs within its parent.
pub fn no_overlap(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, call) in history.calls.iter().enumerate() {
        let later = history.calls[at + 1..].iter().take_while(|later| later.begun.turn < call.ended.turn);
        for other in later.filter(|other| other.body.uid() == call.body.uid() && !is_within(other, call)) {
            let text = format!("{} and {} of {}", call.id, other.id, call.body.uid());
            violations.push(Violation(text));
        }
    }
    violations
}

fn is_within(inner: &Called, outer: &Called) -> bool {
    let is_below = inner.id.strip_prefix(&outer.id).is_some_and(|rest| rest.starts_with('/'));
    is_below && inner.ended.turn < outer.ended.turn
}
