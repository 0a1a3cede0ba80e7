//! Call of a handler, as logs, metrics and traces name it: its family, and what it is called for.

use korf_core::{Reason, handler::OnChange};

/// What a handler is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// A change of the object, for this reason.
    Change(Reason),
    /// A watch event.
    Event,
    /// An interval.
    Timer,
    /// The object is there.
    Daemon,
}

impl Called {
    /// The number of these.
    pub const COUNT: usize = Reason::ALL.len() + 3;

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Reason::ALL.into_iter().map(Self::Change).chain([Self::Event, Self::Timer, Self::Daemon])
    }

    /// The usual ones for a change handler: others come where others have begun with the object.
    pub fn of(on: OnChange) -> &'static [Self] {
        match on {
            OnChange::Create => &[Self::Change(Reason::Create)],
            OnChange::Update => &[Self::Change(Reason::Update)],
            OnChange::Delete { .. } => &[Self::Change(Reason::Delete)],
            OnChange::Resume { .. } => &[Self::Change(Reason::Resume)],
            _ => &[Self::Change(Reason::Create), Self::Change(Reason::Update)],
        }
    }

    /// Its number among [`all`](Self::all).
    pub fn number(self) -> usize {
        match self {
            Self::Change(Reason::Create) => 0,
            Self::Change(Reason::Update) => 1,
            Self::Change(Reason::Delete) => 2,
            Self::Change(Reason::Resume) => 3,
            Self::Change(Reason::Resync) => 4,
            Self::Change(Reason::Triggered) => 5,
            Self::Event => 6,
            Self::Timer => 7,
            Self::Daemon => 8,
        }
    }

    /// The family of its handler, as log lines begin.
    pub fn family(self) -> &'static str {
        match self {
            Self::Change(_) | Self::Event => "Handler",
            Self::Timer => "Timer",
            Self::Daemon => "Daemon",
        }
    }

    /// The value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change(reason) => reason.as_str(),
            Self::Event => "event",
            Self::Timer => "timer",
            Self::Daemon => "daemon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_number() {
        let numbers: Vec<_> = Called::all().map(Called::number).collect();
        assert_eq!(numbers, (0..Called::COUNT).collect::<Vec<_>>());
    }
}
