//! Order of peers: which of two comes first.

use super::{
    Me, Precedence, Record, Role,
    record::{Freeze, Working},
};

/// The place of an operator of korf among those with its priority: its number, and, where two have joined at the same time, what
/// they are called. Replicas of one operator have one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seniority {
    order: u64,
    name: String,
}

impl Seniority {
    pub(super) fn of(identity: &str, working: &Working) -> Self {
        let name = working.replica_of.as_deref().unwrap_or(identity);
        Self { order: working.order, name: name.to_owned() }
    }
}

/// Why a peer comes before this operator; none if it doesn't.
pub(super) fn precedence(identity: &str, peer: &Record, me: &Me, mine: &Seniority) -> Option<Precedence> {
    if peer.priority != me.priority {
        let message = match &peer.role {
            Role::Freeze(Freeze { message }) => Some(message.clone()),
            _ => None,
        };
        let is_above = peer.priority > me.priority;
        return is_above.then(|| message.map_or(Precedence::Priority, Precedence::Frozen));
    }
    match &peer.role {
        // It pauses for anybody with its priority, so that this one may not.
        Role::Kopf => None,
        Role::Operator(working) => (Seniority::of(identity, working) < *mine).then_some(Precedence::Age),
        Role::Freeze(Freeze { message }) => Some(Precedence::Frozen(message.clone())),
    }
}
