//! What was checked, and what came of it.

use crate::{Result, screen::Screen};

/// One thing that was expected.
struct Check {
    what: String,
    /// What was expected and what was found, where these differ.
    difference: Option<(String, String)>,
}

/// The checks of the walk so far; those of the step that goes on aren't shown yet.
#[derive(Default)]
pub struct Checks {
    pending: Vec<Check>,
    held: usize,
    failed: usize,
}

impl Checks {
    /// Expects something.
    pub fn equal(&mut self, what: impl Into<String>, expected: &str, found: &str) {
        let difference = (expected != found).then(|| (expected.to_owned(), found.to_owned()));
        self.pending.push(Check { what: what.into(), difference });
    }

    /// Shows the checks of a step, and says whether all held.
    pub fn show(&mut self, screen: &Screen) -> Result<bool> {
        let failed = self.failed;
        screen.gap()?;
        for Check { what, difference } in self.pending.drain(..) {
            match difference {
                None => {
                    self.held += 1;
                    screen.held(&what)?;
                }
                Some((expected, found)) => {
                    self.failed += 1;
                    screen.failed(&what, &expected, &found)?;
                }
            }
        }
        Ok(self.failed == failed)
    }

    /// How many held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Whether none has failed so far.
    pub fn all_held(&self) -> bool {
        self.failed == 0
    }
}
