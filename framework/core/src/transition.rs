//! Transitions of a handler at one object that people are told of: it fails permanently, it is retried for long, it works again.

use crate::retry::{Attempt, Outcome};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What is wrong with a handler at an object; each is worse than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It has been retried for long.
    Retried,
    /// It can't read the object.
    Rejected,
    /// It has failed permanently.
    Failed,
}

/// A transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Something is wrong, or is worse than before.
    Begins(Trouble),
    /// It is over.
    Ends,
}

/// The times of transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionTimes {
    /// How long a handler is retried until it is told.
    pub patience: Duration,
    /// The least time from one trouble of a handler at an object to the next one that is told.
    pub pause: Duration,
}

/// What was told of one object's handlers, by their ids. There is nothing to remember of one that works, as most do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions(
    #[expect(clippy::box_collection, reason = "most objects have none, and it is one word of them then")]
    Option<Box<BTreeMap<String, Told>>>,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// The trouble that was told, and isn't over.
    trouble: Option<Trouble>,
    /// When trouble was told last.
    at: Instant,
}

impl Transitions {
    /// Takes in the outcome of an attempt; returns what is to be told of it.
    pub fn note(
        &mut self,
        id: &str,
        outcome: &Outcome,
        attempt: Attempt,
        times: TransitionTimes,
        now: Instant,
    ) -> Option<Transition> {
        let is_late = attempt.before > 0 && attempt.elapsed >= times.patience;
        match outcome {
            Outcome::Success => self.end(id),
            Outcome::Failed { .. } => self.begin(id, Trouble::Failed, times.pause, now),
            Outcome::Rejected { .. } => self.begin(id, Trouble::Rejected, times.pause, now),
            Outcome::Retry { .. } if is_late => self.begin(id, Trouble::Retried, times.pause, now),
            Outcome::Retry { .. } | Outcome::Waiting { .. } | Outcome::Children { .. } | Outcome::Ignored => {
                None
            }
        }
    }

    fn end(&mut self, id: &str) -> Option<Transition> {
        self.0.as_mut()?.get_mut(id)?.trouble.take().map(|_| Transition::Ends)
    }

    fn begin(&mut self, id: &str, trouble: Trouble, pause: Duration, now: Instant) -> Option<Transition> {
        let all = self.0.get_or_insert_default();
        if let Some(told) = all.get(id) {
            let is_worse = told.trouble.is_some_and(|before| before < trouble);
            let is_early = now.saturating_duration_since(told.at) < pause;
            if told.trouble == Some(trouble) || (is_early && !is_worse) {
                return None;
            }
        }
        all.insert(id.to_owned(), Told { trouble: Some(trouble), at: now });
        Some(Transition::Begins(trouble))
    }

    /// Forgets what is over for as long as the pause.
    pub fn forget_old(&mut self, pause: Duration, now: Instant) {
        let Some(all) = &mut self.0 else { return };
        all.retain(|_, told| told.trouble.is_some() || now.saturating_duration_since(told.at) < pause);
        if all.is_empty() {
            self.0 = None;
        }
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMES: TransitionTimes =
        TransitionTimes { patience: Duration::from_secs(300), pause: Duration::from_secs(300) };

    fn retry() -> Outcome {
        Outcome::Retry { after: SECOND, message: String::new() }
    }

    fn waiting() -> Outcome {
        Outcome::Waiting { after: SECOND, message: String::new() }
    }

    fn failed() -> Outcome {
        Outcome::Failed { message: String::new() }
    }

    fn rejected() -> Outcome {
        Outcome::Rejected { message: String::new() }
    }

    /// Outcomes at these seconds, each with the seconds since the first attempt; returns what is told.
    fn told(outcomes: &[(u32, Outcome, u32)]) -> Vec<Option<Transition>> {
        let (start, mut transitions) = (Instant::now(), Transitions::default());
        let mut note = |(at, outcome, elapsed): &(u32, Outcome, u32)| {
            let attempt = Attempt { before: u32::from(*elapsed > 0), elapsed: SECOND * *elapsed };
            transitions.note("h", outcome, attempt, TIMES, start + SECOND * *at)
        };
        outcomes.iter().map(&mut note).collect()
    }

    const FAILED: Option<Transition> = Some(Transition::Begins(Trouble::Failed));
    const REJECTED: Option<Transition> = Some(Transition::Begins(Trouble::Rejected));
    const RETRIED: Option<Transition> = Some(Transition::Begins(Trouble::Retried));
    const ENDS: Option<Transition> = Some(Transition::Ends);

    #[test]
    fn a_trouble_is_told_once_and_so_is_its_end() {
        let success = || Outcome::Success;
        for (outcomes, expected) in [
            (vec![(0, success(), 0), (1, retry(), 0), (2, success(), 1)], vec![None; 3]),
            (
                vec![(0, failed(), 0), (9, failed(), 0), (10, success(), 0), (11, success(), 0)],
                vec![FAILED, None, ENDS, None],
            ),
            (
                vec![(0, retry(), 299), (1, retry(), 300), (2, retry(), 301), (3, success(), 302)],
                vec![None, RETRIED, None, ENDS],
            ),
            (vec![(0, retry(), 300), (1, failed(), 301), (2, success(), 0)], vec![RETRIED, FAILED, ENDS]),
            (vec![(0, rejected(), 0), (1, failed(), 0), (2, rejected(), 0)], vec![REJECTED, FAILED, None]),
            (vec![(0, Outcome::Ignored, 0), (1, Outcome::Children { after: SECOND }, 999)], vec![None; 2]),
            // It is no failure, and no end of one.
            (vec![(0, waiting(), 0), (1, waiting(), 999)], vec![None; 2]),
            (vec![(0, retry(), 300), (1, waiting(), 301), (2, success(), 302)], vec![RETRIED, None, ENDS]),
            // Another process may have told it.
            (vec![(0, success(), 300)], vec![None]),
        ] {
            assert_eq!(told(&outcomes), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn one_that_fails_and_works_in_turns_is_told_at_intervals() {
        let outcomes = [0, 60, 120, 300].map(|at| [(at, failed(), 0), (at + 1, Outcome::Success, 0)]);
        let expected = [FAILED, ENDS, None, None, None, None, FAILED, ENDS];
        assert_eq!(told(outcomes.as_flattened()), expected);
    }

    #[test]
    fn what_is_over_for_long_is_forgotten() {
        let (now, mut transitions) = (Instant::now(), Transitions::default());
        let first = Attempt { before: 0, elapsed: Duration::ZERO };
        transitions.note("over", &failed(), first, TIMES, now);
        transitions.note("over", &Outcome::Success, first, TIMES, now);
        transitions.note("wrong", &failed(), first, TIMES, now);
        transitions.forget_old(TIMES.pause, now + 299 * SECOND);
        assert_eq!(transitions.0.as_ref().map(|all| all.len()), Some(2));
        transitions.forget_old(TIMES.pause, now + 300 * SECOND);
        assert_eq!(transitions.0.iter().flat_map(|all| all.keys()).collect::<Vec<_>>(), ["wrong"]);
        transitions.note("wrong", &Outcome::Success, first, TIMES, now);
        transitions.forget_old(TIMES.pause, now + 300 * SECOND);
        assert!(transitions.is_empty());
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Success),
            Just(Outcome::Ignored),
            Just(retry()),
            Just(failed()),
            Just(rejected()),
            Just(waiting()),
            Just(Outcome::Children { after: SECOND }),
        ]
    }

    proptest! {
        #[test]
        fn each_end_has_a_begin_before_it_and_no_pause_has_more_than_three(
            outcomes in prop::collection::vec((0_u32..200, any_outcome(), 0_u32..600), 0..60),
        ) {
            let (start, mut transitions) = (Instant::now(), Transitions::default());
            let (mut now, mut wrong, mut begins) = (start, None, Vec::new());
            for (wait, outcome, elapsed) in outcomes {
                now += SECOND * wait;
                let attempt = Attempt { before: 0, elapsed: SECOND * elapsed };
                match transitions.note("h", &outcome, attempt, TIMES, now) {
                    Some(Transition::Begins(trouble)) => {
                        prop_assert_ne!(wrong, Some(trouble));
                        wrong = Some(trouble);
                        begins.push(now);
                    }
                    Some(Transition::Ends) => prop_assert!(wrong.take().is_some()),
                    None => {}
                }
            }
            for window in begins.windows(4) {
                prop_assert!(window[3] - window[0] >= TIMES.pause);
            }
        }
    }
}
