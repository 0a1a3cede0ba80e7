//! Registry of an operator's handlers, and their checks before it starts.

mod filters;
mod times;

use crate::{
    argument::RequiredType,
    call::States,
    core::storage::Storage,
    families::{Handler, SourceLocation},
};
use kube::core::ApiResource;
use std::{collections::HashMap, error, fmt};

/// A handler's registration by an attribute: linked into the program, and collected when it starts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration(pub fn() -> Handler);

inventory::collect!(Registration);

/// The handlers of one operator, in the order of the source: by file, line, column and id.
#[derive(Clone, Debug, Default)]
pub struct Registry(Vec<Handler>);

impl Registry {
    /// All handlers that attributes have registered in this program.
    pub fn collect() -> Self {
        inventory::iter::<Registration>.into_iter().map(|registration| (registration.0)()).collect()
    }

    /// Adds a handler.
    pub fn add(&mut self, handler: Handler) {
        let place = |handler: &Handler| (handler.location, handler.id().to_owned());
        let at = self.0.partition_point(|other| place(other) <= place(&handler));
        self.0.insert(at, handler);
    }

    /// The handlers, in the order of the source.
    pub fn handlers(&self) -> &[Handler] {
        &self.0
    }

    /// Checks for mistakes that the compiler can't find.
    ///
    /// # Errors
    /// The first mistake. Its text says what to do about it.
    pub fn check(&self, states: &States) -> Result<(), StartError> {
        if self.0.is_empty() {
            return Err(StartError::NoHandlers);
        }
        let (mut seen, mut versions) = (HashMap::new(), HashMap::new());
        for handler in &self.0 {
            check_id(handler)?;
            filters::check(handler)?;
            times::check(handler)?;
            check_requirements(handler, states)?;
            self.check_resumed(handler)?;
            let kind = (&handler.kind.resource.group, &handler.kind.resource.kind);
            let first = versions.entry(kind).or_insert(handler);
            if first.kind.resource.version != handler.kind.resource.version {
                return Err(StartError::versions(first, handler));
            }
            // The keys of progress records differ in these; a record says itself what its reason is.
            let resource = &handler.kind.resource;
            let id = Storage::spelling(handler.id());
            let key = (&resource.group, &resource.plural, handler.trigger(), id);
            if let Some(first) = seen.insert(key, handler) {
                return Err(StartError::duplicate(first, handler));
            }
        }
        Ok(())
    }
}

impl Registry {
    /// The kinds whose objects are triggered.
    pub(crate) fn triggered(&self) -> Vec<ApiResource> {
        self.0.iter().flat_map(|handler| handler.requirements.kinds_to_resume()).cloned().collect()
    }

    /// Checks that there is something to call for triggers that a handler gives.
    fn check_resumed(&self, handler: &Handler) -> Result<(), StartError> {
        let resumes =
            |kind: &ApiResource| self.0.iter().any(|other| other.resumes() && other.kind.is_of(kind));
        match handler.requirements.kinds_to_resume().iter().find(|kind| !resumes(kind)) {
            Some(kind) => Err(StartError::NothingToTrigger {
                handler: handler.id().to_owned(),
                kind: kind.kind.clone(),
                location: handler.location,
            }),
            None => Ok(()),
        }
    }

    /// Checks that what change handlers are called for isn't what is left out of the essence.
    pub(crate) fn check_essence(&self, storage: &Storage) -> Result<(), StartError> {
        self.0.iter().try_for_each(|handler| filters::check_essence(handler, storage))
    }

    /// Checks that no delete handler keeps objects of these kinds.
    pub(crate) fn check_selected<'a>(
        &self,
        mut selected: impl Iterator<Item = &'a ApiResource>,
    ) -> Result<(), StartError> {
        let keeps = |kind: &ApiResource| {
            self.0.iter().find(|handler| handler.keeps_objects() && handler.kind.resource == *kind)
        };
        match selected.find_map(keeps) {
            Some(handler) => Err(StartError::SelectedDeletion {
                handler: handler.id().to_owned(),
                kind: handler.kind.resource.kind.clone(),
                location: handler.location,
            }),
            None => Ok(()),
        }
    }
}

impl FromIterator<Handler> for Registry {
    fn from_iter<I: IntoIterator<Item = Handler>>(handlers: I) -> Self {
        let mut registry = Self::default();
        handlers.into_iter().for_each(|handler| registry.add(handler));
        registry
    }
}

fn check_id(handler: &Handler) -> Result<(), StartError> {
    let (id, location) = (handler.id().to_owned(), handler.location);
    match id.as_str() {
        "" => Err(StartError::EmptyId { location }),
        name if Storage::reserves(name) => Err(StartError::ReservedId { id, location }),
        _ => Ok(()),
    }
}

fn check_requirements(handler: &Handler, states: &States) -> Result<(), StartError> {
    let id = || handler.id().to_owned();
    let missing = |(state, _): &&RequiredType| !states.contains_key(state);
    if let Some((_, state)) = handler.requirements.states().iter().find(missing) {
        return Err(StartError::MissingState { handler: id(), state, location: handler.location });
    }
    let given = handler.param();
    let other =
        |(param, _): &&RequiredType| given.is_none_or(|given| given.value.as_ref().type_id() != *param);
    if let Some((_, param)) = handler.requirements.params().iter().find(other) {
        let given = given.map(|given| given.name);
        return Err(StartError::MissingParam { handler: id(), param, given, location: handler.location });
    }
    Ok(())
}

/// A mistake in the handlers, with which the operator doesn't start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There are no handlers.
    NoHandlers,
    /// Two handlers of one kind and trigger have the same id, and would share their progress records.
    DuplicateId {
        /// The id of the second one.
        id: String,
        /// The kind of the objects.
        kind: String,
        /// The trigger of both.
        trigger: &'static str,
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
    /// A delete handler keeps objects of a kind with a [selector](crate::Operator::select).
    SelectedDeletion {
        /// The handler's id.
        handler: String,
        /// The kind of the objects.
        kind: String,
        /// The handler's place in the source.
        location: SourceLocation,
    },
    /// A handler is to be called all the time.
    NoInterval {
        /// The handler's id.
        handler: String,
        /// The option that is zero.
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
    fn versions(first: &Handler, second: &Handler) -> Self {
        Self::TwoVersions {
            kind: second.kind.resource.kind.clone(),
            first: first.location,
            second: second.location,
            versions: [first, second].map(|handler| handler.kind.resource.version.clone()),
        }
    }

    fn duplicate(first: &Handler, second: &Handler) -> Self {
        Self::DuplicateId {
            id: second.id().to_owned(),
            kind: second.kind.resource.kind.clone(),
            trigger: second.trigger(),
            first: first.location,
            second: second.location,
        }
    }
}

/// The mistake, and what to do about it, in one line.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandlers => f.write_str(
                "no handler is registered: put `#[korf::on_create(Kind)]` on a function; \
                 if they are in another crate, link it by `use that_crate as _;`",
            ),
            Self::DuplicateId { id, kind, trigger, first, second } => write!(
                f,
                "two {trigger} handlers of {kind} are called `{id}`, at {} and at {}: give one of them `id = \"…\"`",
                first, second,
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
                "handler `{handler}` at {} takes `State<{state}>`: give the operator `.state(…)` of that type",
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
            Self::SelectedDeletion { handler, kind, location } => write!(
                f,
                "handler `{handler}` at {location} keeps objects of kind {kind} until it was called, but the operator is \
                 told to `.select` some of them, and never learns of the deletion of one that stops matching: make the \
                 handler `optional`, or filter by `labels = …` instead of `.select`"
            ),
            Self::NoInterval { handler, option, location } => {
                write!(
                    f,
                    "handler `{handler}` at {location} has `{option}` = 0: give it a time between two calls"
                )
            }
            Self::Filter { handler, problem, location } => {
                write!(f, "handler `{handler}` at {} {problem}", location)
            }
        }
    }
}

impl error::Error for StartError {}

#[cfg(test)]
mod tests;
