//! Mistakes in the handlers, and what to do about each.

use super::LeftOut;
use crate::families::{Handler, SourceLocation};
use std::{collections::BTreeSet, error, fmt};

/// A mistake in the handlers, with which the operator doesn't start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There are no handlers.
    NoHandlers {
        /// The names of the operators that those are for which attributes have registered.
        others: Vec<String>,
    },
    /// An operator was given a handler by hand that is for an operator of another name.
    OtherOperator {
        /// The handler's id.
        handler: String,
        /// The name of the operator that it is for.
        other: String,
        /// The name of the operator that was given it.
        operator: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// Two handlers that are called for the same, of one kind, have the same id, and would share their progress records.
    DuplicateId {
        /// The id of the second one.
        id: String,
        /// The kind of the objects.
        kind: String,
        /// What both are called for.
        called_for: &'static str,
        /// The place of the first one.
        first: SourceLocation,
        /// The place of the second one.
        second: SourceLocation,
    },
    /// Two activities of one kind have the same id.
    DuplicateActivity {
        /// The id of the second one.
        id: String,
        /// The kind of both: `startup`, `cleanup`, `login`, `probe`.
        activity: &'static str,
        /// The place of the first one.
        first: SourceLocation,
        /// The place of the second one.
        second: SourceLocation,
    },
    /// Handlers are for two versions of one kind, which is watched in one version only.
    TwoVersions {
        /// The kind of the objects.
        kind: String,
        /// The versions.
        versions: [String; 2],
        /// The place of a handler for the first one.
        first: SourceLocation,
        /// The place of a handler for the second one.
        second: SourceLocation,
    },
    /// A handler has an empty id.
    EmptyId {
        /// Its place in the source.
        location: SourceLocation,
    },
    /// korf itself stores something on the objects under a handler's id.
    ReservedId {
        /// The id.
        id: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler takes a [`State`](crate::State) that the operator wasn't given.
    MissingState {
        /// The handler's id.
        handler: String,
        /// The type in `State<…>`.
        state: &'static str,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler takes a [`Param`](crate::extract::Param) that it wasn't registered with.
    MissingParam {
        /// The handler's id.
        handler: String,
        /// The type in `Param<…>`.
        param: &'static str,
        /// The type of the parameter that it was registered with, if any.
        given: Option<&'static str>,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler takes a [`Trigger`](crate::Trigger) of a kind without resume handlers.
    NothingToTrigger {
        /// The handler's id.
        handler: String,
        /// The kind of the objects.
        kind: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// Two index functions fill indexes of the same type.
    TwoIndexes {
        /// The type: `Index<…, …>`.
        index: Box<str>,
        /// The functions' ids.
        ids: [String; 2],
        /// The place of the first one.
        first: SourceLocation,
        /// The place of the second one.
        second: SourceLocation,
    },
    /// A handler takes an [`Index`](crate::Index) that no function fills.
    MissingIndex {
        /// The handler's id.
        handler: String,
        /// The type: `Index<…, …>`.
        index: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A delete handler, or a daemon with a finalizer, keeps objects of a kind with a [selector](crate::Operator::select).
    SelectedDeletion {
        /// The handler's id.
        handler: String,
        /// The kind of the objects.
        kind: String,
        /// It is a daemon.
        is_daemon: bool,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler is to be called all the time.
    NoInterval {
        /// The handler's id.
        handler: String,
        /// The option that is less than a millisecond.
        option: &'static str,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler's filter is inconsistent, or can never match.
    Filter {
        /// The handler's id.
        handler: String,
        /// The mistake.
        problem: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
}

impl StartError {
    pub(super) fn no_handlers(left_out: &[LeftOut]) -> Self {
        let others: BTreeSet<_> = left_out.iter().map(|left_out| left_out.operator.clone()).collect();
        Self::NoHandlers { others: others.into_iter().collect() }
    }

    pub(super) fn versions(first: &Handler, second: &Handler) -> Self {
        Self::TwoVersions {
            kind: second.kind.resource.kind.clone(),
            first: first.location,
            second: second.location,
            versions: [first, second].map(|handler| handler.kind.resource.version.clone()),
        }
    }

    pub(super) fn duplicate(first: &Handler, second: &Handler) -> Self {
        Self::DuplicateId {
            id: second.id().to_owned(),
            kind: second.kind.resource.kind.clone(),
            called_for: second.called_for(),
            first: first.location,
            second: second.location,
        }
    }
}

/// The mistake, and what to do about it, in one line.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandlers { others } if others.is_empty() => f.write_str(
                "no handler is registered: put `#[korf::on_create(Kind)]` on a function; \
                 if they are in another crate, link it by `use that_crate as _;`",
            ),
            Self::NoHandlers { others } => write!(
                f,
                "no handler is registered for this operator: handlers are for operators of other names (`{}`); give the \
                 operator such a name, or leave out `operator = \"…\"`",
                others.join("`, `")
            ),
            Self::OtherOperator { handler, other, operator, location } => write!(
                f,
                "handler `{handler}` at {location} is for the operator `{other}`, but was given to `{operator}`: leave out \
                 `.operator(…)`, or give it to the other one"
            ),
            Self::DuplicateId { id, kind, called_for, first, second } => write!(
                f,
                "two {called_for} handlers of {kind} are called `{id}`, at {} and at {}: give one of them `id = \"…\"`",
                first, second,
            ),
            Self::DuplicateActivity { id, activity, first, second } => write!(
                f,
                "two {activity} handlers are called `{id}`, at {first} and at {second}: give one of them `id = \"…\"`"
            ),
            Self::TwoVersions { kind, versions: [one, other], first, second } => write!(
                f,
                "handlers are for {kind} in version {one} at {}, and in version {other} at {}: an object is handled in \
                 one version, so let all take the same type",
                first, second,
            ),
            Self::EmptyId { location } => {
                write!(f, "the handler at {} has an empty id: give it a name", location)
            }
            Self::ReservedId { id, location } => write!(
                f,
                "the handler at {} is called `{id}`, under which korf stores something of its own: give it \
                 another name by `id = \"…\"`",
                location
            ),
            Self::MissingState { handler, state, location } => write!(
                f,
                "handler `{handler}` at {} takes `State<{state}>`: give the operator `.state(…)` of that type, or let a start-up handler \
                 provide it",
                location,
            ),
            Self::MissingParam { handler, param, given: None, location } => {
                write!(f, "handler `{handler}` at {} takes `Param<{param}>`: give it `param = …`", location)
            }
            Self::MissingParam { handler, param, given: Some(given), location } => write!(
                f,
                "handler `{handler}` at {} takes `Param<{param}>`, but its `param` is of type `{given}`",
                location
            ),
            Self::NothingToTrigger { handler, kind, location } => write!(
                f,
                "handler `{handler}` at {location} gives {kind} objects turns, but no handler is called for that: put \
                 `#[korf::on_resume({kind})]` on one"
            ),
            Self::TwoIndexes { index, ids: [one, other], first, second } => write!(
                f,
                "index functions `{one}` at {first} and `{other}` at {second} both fill `{index}`: wrap the key or the value \
                 of one of them in a type of its own",
            ),
            Self::MissingIndex { handler, index, location } => write!(
                f,
                "handler `{handler}` at {location} takes `{index}`, which no function fills: put `#[korf::index(Kind)]` on \
                 one that returns such keys and values",
            ),
            Self::SelectedDeletion { handler, kind, is_daemon, location } => {
                let (until, remedy) = if *is_daemon {
                    ("it has ended", "leave out its `finalizer`")
                } else {
                    ("it was called", "make the handler `optional`")
                };
                write!(
                    f,
                    "handler `{handler}` at {location} keeps objects of kind {kind} until {until}, but the operator is told to \
                     `.select` some of them, and never learns of the deletion of one that stops matching: {remedy}, or filter \
                     by `labels = …` instead of `.select`"
                )
            }
            Self::NoInterval { handler, option, location } => {
                write!(
                    f,
                    "handler `{handler}` at {location} has a time of less than a millisecond as its `{option}`: give it a \
                     time between two calls"
                )
            }
            Self::Filter { handler, problem, location } => {
                write!(f, "handler `{handler}` at {} {problem}", location)
            }
        }
    }
}

impl error::Error for StartError {}
