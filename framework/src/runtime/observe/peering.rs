//! News of peering, and their lines in the log.

use tracing::{debug, info, warn};

/// Something that happens among operators for the same objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's doc explains its fields")]
pub enum PeeringNews<'a> {
    /// The operator is paused because of this; `own` is its priority.
    Paused { cause: PauseCause<'a>, own: i64 },
    /// It is at work; `told`: the log has told of a pause. `beside` has the same priority, and pauses.
    Resumed { beside: Option<&'a str>, told: bool },
    /// A peering object can't be read or written; `known`: for the same reason as before.
    Failed { peering: &'a str, why: &'a str, known: bool },
    /// It can be read and written again.
    Works { peering: &'a str },
    /// The operator has ended, and its record stays until it is over.
    Left { peering: &'a str, why: &'a str },
}

/// The reason for which an operator is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's doc explains its fields")]
pub enum PauseCause<'a> {
    /// This peer has a greater priority.
    Priority { peering: &'a str, peer: &'a str, priority: i64 },
    /// This peer has the same priority, and was there before.
    Age { peering: &'a str, peer: &'a str },
    /// Somebody has asked for it.
    Frozen { peering: &'a str, peer: &'a str, priority: i64, message: Option<&'a str> },
    /// This peer pauses, but what it has begun hasn't ended.
    Unfinished { peering: &'a str, peer: &'a str },
    /// The peering object that the operator was told to use doesn't exist, or it may not use it.
    Missing { peering: &'a str },
    /// Its peers don't see the operator's record, or may take it for over.
    Unseen { peering: &'a str, why: Option<&'a str> },
}

macro_rules! line {
    ($level:ident, $($words:tt)+) => { $level!(target: "korf::engine", $($words)+) };
}

/// Writes the lines of news.
pub(super) fn write(news: &PeeringNews<'_>) {
    match *news {
        PeeringNews::Paused { cause, own } => paused(cause, own),
        PeeringNews::Resumed { beside: Some(peer), .. } => line!(
            warn,
            "Going on, while '{peer}' pauses: it has the same priority. Give operators for the same objects different ones \
             (`--priority`), so that it is clear which one is at work."
        ),
        PeeringNews::Resumed { beside: None, told: true } => {
            line!(info, "Resuming operations after the pause: no other operator comes first.");
        }
        PeeringNews::Resumed { beside: None, told: false } => line!(debug, "No other operator comes first."),
        PeeringNews::Failed { peering, why, known: true } => line!(debug, "{peering} still fails: {why}."),
        PeeringNews::Failed { peering, why, known: false } => {
            line!(warn, "{peering} can't be used for peering: {why}. It is tried again until it can.");
        }
        PeeringNews::Works { peering } => line!(info, "{peering} can be used for peering again."),
        PeeringNews::Left { peering, why } => line!(
            warn,
            "The operator's record in {peering} can't be removed: {why}. Others wait until it is over."
        ),
    }
}

fn paused(cause: PauseCause<'_>, own: i64) {
    match cause {
        PauseCause::Priority { peering, peer, priority } => line!(
            info,
            "Pausing operations in favour of '{peer}' in {peering}: its priority is {priority}, and this operator's {own}."
        ),
        PauseCause::Age { peering, peer } => line!(
            warn,
            "Pausing operations in favour of '{peer}' in {peering}: it has the same priority ({own}), and was there before. \
             Give operators for the same objects different ones (`--priority`), so that it is clear which one is at work."
        ),
        PauseCause::Frozen { peering, peer, priority, message } => line!(
            info,
            "Pausing operations: '{peer}' has asked for it in {peering}, of operators with a priority up to {priority}{}.",
            message.map(|message| format!(" ({message:?})")).unwrap_or_default()
        ),
        PauseCause::Unfinished { peering, peer } => {
            line!(info, "Waiting until '{peer}' in {peering} has paused, and has ended what it has begun.");
        }
        PauseCause::Missing { peering } => line!(
            warn,
            "Pausing operations: there is no {peering}, or the operator may not use it. Create it, give the operator the right to \
             get, list, watch and patch it, or say `--standalone`."
        ),
        PauseCause::Unseen { peering, why } => line!(
            warn,
            "Pausing operations: others don't see this operator in {peering}, or may take it for dead{}. It goes on when they see \
             it.",
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        ),
    }
}
