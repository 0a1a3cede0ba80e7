//! Soundness: nothing breaks inside the framework.

use crate::history::{History, Violation};

/// The framework never panics and always converges, whatever users, handlers and servers do.
pub fn unbroken(history: &History) -> Vec<Violation> {
    history.breakdowns.iter().cloned().map(Violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::sample::Telling;

    #[test]
    fn a_breakdown_is_found() {
        let mut history = Telling::of([]).history();
        assert_eq!(unbroken(&history), []);
        history.breakdowns.push("Throttling for 1 seconds due to an unexpected error: it panicked".into());
        assert_eq!(unbroken(&history).len(), 1);
    }
}
