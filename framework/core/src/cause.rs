//! Cause of a turn: the reason, if any, for which an object's change handlers are called.

use crate::{Reason, body::Body, daemon::Hold};

/// How a turn came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It is the object's first turn in this process.
    First,
    /// Others changed the object.
    Changed,
    /// No others changed it: a retry is due, or our own write has come back.
    Again,
}

/// Why an object that was handled before is resumed, the strongest cause first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resumption {
    /// A listing showed it first, and it has not been handled completely since the start of this process. Resume handlers
    /// join whatever else is to be done.
    Start,
    /// Something else has asked for a turn. It comes when nothing else is to be done, as for the others below.
    Trigger,
    /// It has a generation that was not seen when it was handled last: if nothing else has changed, a change was taken back.
    Generation,
    /// The time of a resync has come.
    Resync,
}

impl Resumption {
    /// The reason that its handlers are told.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Start | Self::Generation => Reason::Resume,
            Self::Trigger => Reason::Triggered,
            Self::Resync => Reason::Resync,
        }
    }
}

/// What is known of an object besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The watch has shown its deletion.
    pub gone: bool,
    /// How the turn came about.
    pub occasion: Occasion,
    /// Why it is resumed, if it is.
    pub resumption: Option<Resumption>,
    /// Its essence has changed since delete handlers failed permanently: they are retried.
    pub rearmed: bool,
    /// Its essence, annotations aside, has changed since handlers began to wait for their next attempt: they wait no longer.
    pub eager: bool,
    /// Whether daemons need the finalizer.
    pub hold: Hold,
}

/// What an object's state asks for; the first that applies, as in Kopf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The API server says that the object is gone.
    Gone,
    /// The object is being deleted, and no longer waits for us.
    Free,
    /// Handlers are to be called.
    Handle(Reason),
    /// Nothing has changed that is handled.
    Noop,
}

/// What the object's annotations say of its past.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// A diff-base is stored: the object was handled before.
    pub handled: bool,
    /// The essence differs from the diff-base.
    pub changed: bool,
    /// Attempts of an update are on record. They may have seen an essence that was reverted since, so
    /// that their handlers run once more even where nothing differs.
    pub begun: bool,
}

impl Cause {
    /// Decides, by what the watch says and what the object does.
    pub fn of(body: &Body, situation: Situation, finalizer: &str, past: Past) -> Self {
        match () {
            () if situation.gone => Self::Gone,
            () if body.is_deleting() && !body.finalizers().any(|f| f == finalizer) => Self::Free,
            () if body.is_deleting() => Self::Handle(Reason::Delete),
            () if !past.handled => Self::Handle(Reason::Create),
            () if past.changed || past.begun => Self::Handle(Reason::Update),
            () => situation.resumption.map_or(Self::Noop, |why| Self::Handle(why.reason())),
        }
    }

    /// The reason that handlers are or would be called for.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Handle(reason) => reason,
            Self::Gone | Self::Free => Reason::Delete,
            Self::Noop => Reason::Update,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FINALIZER: &str = "x/f";

    fn body(deleting: bool, finalizers: &[&str]) -> Body {
        let deletion = deleting.then_some("2026-11-22T14:53:30Z");
        json!({"metadata": {"name": "a", "deletionTimestamp": deletion, "finalizers": finalizers}}).into()
    }

    #[test]
    fn the_first_cause_that_applies_is_the_cause() {
        use Reason::{Create, Delete, Update};
        let past = |handled, changed, begun| Past { handled, changed, begun };
        let alive = || body(false, &[FINALIZER]);
        let cases = [
            (alive(), true, past(true, true, true), Cause::Gone),
            (body(true, &["other"]), false, past(true, true, true), Cause::Free),
            (body(true, &["other", FINALIZER]), false, past(false, true, true), Cause::Handle(Delete)),
            (alive(), false, past(false, true, false), Cause::Handle(Create)),
            (body(false, &[]), false, past(false, true, false), Cause::Handle(Create)),
            (alive(), false, past(true, true, false), Cause::Handle(Update)),
            (alive(), false, past(true, false, true), Cause::Handle(Update)),
            (alive(), false, past(true, false, false), Cause::Noop),
        ];
        for (body, gone, past, cause) in cases {
            let situation = Situation {
                gone,
                occasion: Occasion::Changed,
                resumption: None,
                rearmed: false,
                eager: false,
                hold: Hold::None,
            };
            assert_eq!(Cause::of(&body, situation, FINALIZER, past), cause, "{body:?} {past:?}");
        }
    }

    #[test]
    fn an_object_is_resumed_unless_there_is_more_to_do() {
        let situation = |resumption| Situation {
            gone: false,
            occasion: Occasion::First,
            resumption: Some(resumption),
            rearmed: false,
            eager: false,
            hold: Hold::None,
        };
        let past = |handled, changed| Past { handled, changed, begun: false };
        let cases = [
            (Resumption::Start, past(true, false), Reason::Resume),
            (Resumption::Generation, past(true, false), Reason::Resume),
            (Resumption::Trigger, past(true, false), Reason::Triggered),
            (Resumption::Resync, past(true, false), Reason::Resync),
            (Resumption::Start, past(true, true), Reason::Update),
            (Resumption::Trigger, past(true, true), Reason::Update),
            (Resumption::Start, past(false, true), Reason::Create),
            (Resumption::Resync, past(false, true), Reason::Create),
        ];
        for (resumption, past, reason) in cases {
            let situation = situation(resumption);
            assert_eq!(
                Cause::of(&body(false, &[]), situation, FINALIZER, past),
                Cause::Handle(reason),
                "{past:?}"
            );
        }
        let situation = situation(Resumption::Start);
        assert_eq!(
            Cause::of(&body(true, &[FINALIZER]), situation, FINALIZER, past(true, false)),
            Cause::Handle(Reason::Delete)
        );
    }
}
