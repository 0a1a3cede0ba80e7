//! Memory of one object, for as long as the operator knows it.

use super::{daemons::DaemonMemory, lead::Fence, strips::Strips, ticks::TimerStates, write::Unsaved};
use crate::call::TypeMap;
use korf_core::{Uid, transition::Transitions};
use std::{collections::HashMap, sync::PoisonError};

/// What the operator remembers of one object. It is the worker's while the object has its turn, and is dropped when the
/// object is forgotten.
#[derive(Debug, Default)]
pub struct Memory {
    /// The user's values: `Memo` arguments.
    pub memo: TypeMap,
    /// Outcomes that could not be stored.
    pub unsaved: Option<Unsaved>,
    /// The log has warned that only a digest of its diff-base is stored.
    pub warned_of_digest: bool,
    /// Its timers.
    pub timers: TimerStates,
    /// Its daemons.
    pub daemons: DaemonMemory,
    /// What was told of its handlers by Kubernetes Events.
    pub transitions: Transitions,
    /// How often others have removed what the operator stores on it.
    pub strips: Strips,
    /// Whether the object is this operator's.
    pub fence: Fence,
}

impl Memory {
    /// The same, for a turn under this fence.
    #[must_use]
    pub fn under(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// Whether daemons have asked for something that is still to be written.
    pub fn leaves_edits(&self) -> bool {
        self.fence.holds() && self.daemons.has_edits()
    }

    /// Notes that the object can be written again. Outcomes that are to be stored still are.
    pub fn write_has_worked(&mut self) {
        self.unsaved.take_if(|unsaved| unsaved.outcomes.is_none());
    }

    /// Notes that the object was read: none of its writes is in doubt any more.
    pub fn has_been_read(&mut self) {
        self.daemons.has_been_read();
        if let Some(unsaved) = &mut self.unsaved {
            unsaved.has_been_read();
        }
    }

    /// Forgets what no longer matters after a turn.
    pub fn end_turn(&mut self) {
        self.unsaved.take_if(|unsaved| !unsaved.outlives_turn());
    }

    /// Whether there is nothing to remember.
    fn is_empty(&self) -> bool {
        let memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        memo.is_empty()
            && self.unsaved.is_none()
            && !self.warned_of_digest
            && self.timers.is_empty()
            && self.daemons.is_empty()
            && self.transitions.is_empty()
            && self.strips.is_empty()
    }
}

/// The memories of all objects, by uid. An idle object has none, unless it has something to remember.
#[derive(Debug, Default)]
pub struct Memories(HashMap<Uid, Memory>);

impl Memories {
    /// Hands out an object's memory.
    pub fn take(&mut self, uid: &Uid) -> Memory {
        self.0.remove(uid).unwrap_or_default()
    }

    /// Takes an object's memory back. What is remembered of one that was lost may no longer be so.
    pub fn put_back(&mut self, uid: &Uid, memory: Memory) {
        if !memory.is_empty() && memory.fence.holds() {
            self.0.insert(uid.clone(), memory);
        }
    }

    /// Forgets these objects.
    pub fn forget_all(&mut self, these: impl Fn(&Uid) -> bool) {
        self.0.retain(|uid, _| !these(uid));
    }

    /// Hands back the memory of an object that is forgotten.
    pub fn forget(&mut self, uid: &Uid) -> Option<Memory> {
        self.0.remove(uid)
    }
}
