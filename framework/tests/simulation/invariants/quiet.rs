//! Where nothing changes, nothing is done.

use crate::history::{History, Violation};

/// Nothing is written, and nobody called, once all has become quiet.
pub fn no_loop(history: &History) -> Vec<Violation> {
    let late = history.writes.iter().filter(|write| write.ours && write.late);
    let late = late.map(|write| Violation(format!("{} is sent", write.request)));
    let calls = history.calls.iter().filter(|call| call.begun.turn > history.quiet.turn);
    late.chain(calls.map(|call| Violation(format!("{} is called", call.id)))).collect()
}
