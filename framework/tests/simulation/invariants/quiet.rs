//! Quiet: while nothing changes, the operator does nothing.

use crate::history::{History, Violation};

/// No write is sent, and no handler called, after the run has become quiet.
pub fn no_loop(history: &History) -> Vec<Violation> {
    let late = history.writes.iter().filter(|write| write.ours && write.late);
    let late = late.map(|write| Violation(format!("{} is sent", write.request)));
    let calls = history.calls.iter().filter(|call| call.begun.turn > history.quiet.turn);
    late.chain(calls.map(|call| Violation(format!("{} is called", call.id)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role, x},
        role::Cue,
    };

    #[test]
    fn a_write_or_a_call_without_a_reason_is_found() {
        let told = || Telling::of([role("e", Cue::Event)]).hear("e").closed().quiet();
        assert_eq!(no_loop(&told().history()), []);
        assert_eq!(no_loop(&told().closed().history()).len(), 1);
        assert_eq!(no_loop(&told().hear("e").history()).len(), 1);
        assert_eq!(no_loop(&told().user(x(2)).history()), [], "users may do what they like");
    }
}
