//! Checks of the walkthrough, and their results.

use crate::{Result, screen::Screen};

/// A comparison of an expected value with the real one.
struct Check {
    claim: String,
    /// The expected and the real value, if they differ.
    mismatch: Option<(String, String)>,
}

/// All checks so far. Those of the current step aren't shown yet.
#[derive(Default)]
pub struct Checks {
    pending: Vec<Check>,
    passed: usize,
    failed: usize,
}

impl Checks {
    /// Checks that two values are equal. `claim` states what that means.
    pub fn equal(&mut self, claim: impl Into<String>, expected: &str, found: &str) {
        let mismatch = (expected != found).then(|| (expected.to_owned(), found.to_owned()));
        self.pending.push(Check { claim: claim.into(), mismatch });
    }

    /// Shows the checks of the current step. Returns whether all of them passed.
    pub fn show(&mut self, screen: &Screen) -> Result<bool> {
        let failed_before = self.failed;
        screen.gap()?;
        for Check { claim, mismatch } in self.pending.drain(..) {
            match mismatch {
                None => {
                    self.passed += 1;
                    screen.passed(&claim)?;
                }
                Some((expected, found)) => {
                    self.failed += 1;
                    screen.failed(&claim, &expected, &found)?;
                }
            }
        }
        Ok(self.failed == failed_before)
    }

    pub fn passed(&self) -> usize {
        self.passed
    }

    pub fn failed(&self) -> usize {
        self.failed
    }

    pub fn all_passed(&self) -> bool {
        self.failed == 0
    }
}
