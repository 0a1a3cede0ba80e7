//! One object, one call at a time.

use crate::{
    history::{History, Violation},
    record::Called,
};

/// Calls for one object don't overlap, except that a sub-handler runs within its parent.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role},
        role::Cue,
        script::Ending::Succeeded,
    };
    use korf::Reason::Create;

    fn both(first: &str, second: &str) -> Telling {
        Telling::of([role("c", Cue::Create)]).begin(first, Some(Create)).begin(second, Some(Create))
    }

    #[test]
    fn two_calls_at_the_same_time_are_found() {
        assert_eq!(no_overlap(&both("c", "d").end(Succeeded).end(Succeeded).history()).len(), 1);
        let apart = Telling::of([]).call("c", Create, Succeeded).call("d", Create, Succeeded);
        assert_eq!(no_overlap(&apart.history()), []);
    }

    #[test]
    fn a_sub_handler_is_called_within_its_parent() {
        let mut history = both("c", "c/p").end(Succeeded).end(Succeeded).history();
        assert_eq!(no_overlap(&history).len(), 1, "it has outlived its parent");
        history.calls[0].ended.turn = history.calls[1].ended.turn + 1;
        assert_eq!(no_overlap(&history), []);
    }
}
