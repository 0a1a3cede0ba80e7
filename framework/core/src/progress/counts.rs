//! Numbers of handlers by their state.

use super::Record;

/// The numbers of handlers by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handlers that have succeeded.
    pub succeeded: usize,
    /// Handlers that have failed permanently.
    pub failed: usize,
    /// Handlers that are called or retried.
    pub running: usize,
}

impl Counts {
    /// Counts handlers by their records. One without a record has not been called yet.
    pub fn of<'a>(records: impl Iterator<Item = Option<&'a Record>>) -> Self {
        records.fold(Self::default(), |mut counts, record| {
            match record {
                Some(record) if record.success => counts.succeeded += 1,
                Some(record) if record.failure => counts.failed += 1,
                _ => counts.running += 1,
            }
            counts
        })
    }
}
