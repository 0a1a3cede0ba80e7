//! Course of an operator in its peerings: paused, about to begin, at work, about to pause.
//!
//! Its records say whether it is at work, and say so from before it begins until after all has ended. It begins only if, after
//! its records say so, it still comes first, and all others have paused. The API server puts the writes of two operators that
//! begin at once in an order: so the later one sees the earlier one's.

use super::Verdict;

/// Where an operator is on its course.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Course {
    /// Nothing is under way.
    #[default]
    Paused,
    /// Its records are to say that it is at work, before it is.
    Entering,
    /// It is at work.
    Working,
    /// It begins nothing; what it has begun may end.
    Leaving,
}

/// What is to be done at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Begin, or go on.
    Begin,
    /// Begin nothing more.
    Pause,
}

impl Course {
    /// Whether the operator's records are to say that it is at work.
    pub fn is_at_work(self) -> bool {
        self != Self::Paused
    }

    /// The next step, which comes before each write of the records, too: they may have been over for a while. `is_written`: all its records say what they are to say. `is_drained`: nothing that it has begun is under
    /// way.
    pub fn step(self, verdict: &Verdict, is_written: bool, is_drained: bool) -> (Self, Option<Act>) {
        let is_first = matches!(verdict, Verdict::First(_));
        match self {
            Self::Paused if is_first => (Self::Entering, None),
            Self::Entering if is_first && is_written => (Self::Working, Some(Act::Begin)),
            Self::Entering if !is_first => (Self::Paused, None),
            // One that pauses for this one, and is at work nevertheless, has taken it for dead: neither may go on.
            Self::Working if !is_first => (Self::Leaving, Some(Act::Pause)),
            Self::Leaving if is_first => (Self::Working, Some(Act::Begin)),
            Self::Leaving if is_drained => (Self::Paused, None),
            unchanged => (unchanged, None),
        }
    }
}
