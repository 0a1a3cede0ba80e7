//! All handlers of an operator, and what must hold of them before it starts.

use crate::{
    core::{filter::Filter, storage::Storage, task::Trigger},
    handler::{Handler, Need, Site, States},
};
use std::{collections::HashMap, error, fmt};

/// What an attribute leaves for the registry: linked into the program, found when it starts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration(pub fn() -> Handler);

inventory::collect!(Registration);

/// The handlers of one operator, in the order of the source: by file, line and column, then by id.
#[derive(Clone, Debug, Default)]
pub struct Registry(Vec<Handler>);

impl Registry {
    /// All handlers that attributes have registered in this program.
    pub fn collect() -> Self {
        inventory::iter::<Registration>.into_iter().map(|registration| (registration.0)()).collect()
    }

    /// One more handler.
    pub fn add(&mut self, handler: Handler) {
        let place = |handler: &Handler| (handler.site, handler.id.clone());
        let at = self.0.partition_point(|other| place(other) <= place(&handler));
        self.0.insert(at, handler);
    }

    /// The handlers, in the order of the source.
    pub fn handlers(&self) -> &[Handler] {
        &self.0
    }

    /// Finds the mistakes that the compiler can't.
    ///
    /// # Errors
    /// The first mistake, with what to do about it.
    pub fn check(&self, states: &States) -> Result<(), StartError> {
        if self.0.is_empty() {
            return Err(StartError::NoHandlers);
        }
        let (mut seen, mut versions) = (HashMap::new(), HashMap::new());
        for handler in &self.0 {
            check_id(handler)?;
            check_filter(handler)?;
            check_needs(handler, states)?;
            let kind = (&handler.kind.resource.group, &handler.kind.resource.kind);
            let first = versions.entry(kind).or_insert(handler);
            if first.kind.resource.version != handler.kind.resource.version {
                return Err(StartError::versions(first, handler));
            }
            // The keys of progress records differ in these; a record says itself what its reason is.
            let resource = &handler.kind.resource;
            let key =
                (&resource.group, &resource.plural, handler.trigger.as_str(), Storage::spelling(&handler.id));
            if let Some(first) = seen.insert(key, handler) {
                return Err(StartError::duplicate(first, handler));
            }
        }
        Ok(())
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
    let (id, site) = (handler.id.clone(), handler.site);
    match id.as_str() {
        "" => Err(StartError::EmptyId { site }),
        name if Storage::reserves(name) => Err(StartError::ReservedId { id, site }),
        _ => Ok(()),
    }
}

/// What is asked of a field needs a field to be asked of.
fn check_filter(handler: &Handler) -> Result<(), StartError> {
    let Filter { field, value, old, new, .. } = &handler.filter;
    let is_asked = value.is_some() || old.is_some() || new.is_some();
    let problem = if field.is_none() && handler.trigger == Trigger::Field {
        "is for a field, but names none: give it a `field`"
    } else if field.is_none() && is_asked {
        "has a `value`, `old` or `new`, but of no field: give it a `field`"
    } else if value.is_some() && (old.is_some() || new.is_some()) {
        "has a `value` (before or after a change) together with `old` or `new`: leave one of them out"
    } else {
        return Ok(());
    };
    Err(StartError::Filter { handler: handler.id.clone(), problem, site: handler.site })
}

fn check_needs(handler: &Handler, states: &States) -> Result<(), StartError> {
    let id = || handler.id.clone();
    let missing = |(state, _): &&Need| !states.contains_key(state);
    if let Some((_, state)) = handler.needs.states().iter().find(missing) {
        return Err(StartError::MissingState { handler: id(), state, site: handler.site });
    }
    let given = handler.param.as_ref();
    let other = |(param, _): &&Need| given.is_none_or(|given| given.value.as_ref().type_id() != *param);
    if let Some((_, param)) = handler.needs.params().iter().find(other) {
        let given = given.map(|given| given.name);
        return Err(StartError::MissingParam { handler: id(), param, given, site: handler.site });
    }
    Ok(())
}

/// Why an operator doesn't start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to do.
    NoHandlers,
    /// Two handlers of one kind and reason would share their progress records.
    DuplicateId {
        /// The id of the second one.
        id: String,
        /// The kind of the objects.
        kind: String,
        /// When both are called.
        reason: Trigger,
        /// Where the first one stands.
        first: Site,
        /// Where the second one stands.
        second: Site,
    },
    /// Handlers are for two versions of one kind, which is watched in one.
    TwoVersions {
        /// The kind of the objects.
        kind: String,
        /// The versions.
        versions: [String; 2],
        /// Where the handler of the first one stands.
        first: Site,
        /// Where the handler of the second one stands.
        second: Site,
    },
    /// A handler has no name.
    EmptyId {
        /// Where it stands.
        site: Site,
    },
    /// Under a handler's id the framework itself keeps something on the objects.
    ReservedId {
        /// The id.
        id: String,
        /// Where the handler stands.
        site: Site,
    },
    /// A handler takes a [`State`](crate::State) that the operator wasn't given.
    MissingState {
        /// The handler's id.
        handler: String,
        /// The type in `State<…>`.
        state: &'static str,
        /// Where the handler stands.
        site: Site,
    },
    /// A handler takes a [`Param`](crate::Param) that it wasn't registered with.
    MissingParam {
        /// The handler's id.
        handler: String,
        /// The type in `Param<…>`.
        param: &'static str,
        /// The type of the parameter that it was registered with, if any.
        given: Option<&'static str>,
        /// Where the handler stands.
        site: Site,
    },
    /// A handler's filter is at odds with itself.
    Filter {
        /// The handler's id.
        handler: String,
        /// What is wrong.
        problem: &'static str,
        /// Where the handler stands.
        site: Site,
    },
}

impl StartError {
    fn versions(first: &Handler, second: &Handler) -> Self {
        Self::TwoVersions {
            kind: second.kind.resource.kind.clone(),
            first: first.site,
            second: second.site,
            versions: [first, second].map(|handler| handler.kind.resource.version.clone()),
        }
    }

    fn duplicate(first: &Handler, second: &Handler) -> Self {
        Self::DuplicateId {
            id: second.id.clone(),
            kind: second.kind.resource.kind.clone(),
            reason: second.trigger,
            first: first.site,
            second: second.site,
        }
    }
}

/// What happened, and what to do about it, in one line.
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandlers => f.write_str(
                "no handler is registered: put `#[korf::on_create(Kind)]` on a function; \
                 if they are in another crate, link it by `use that_crate as _;`",
            ),
            Self::DuplicateId { id, kind, reason, first, second } => write!(
                f,
                "two {reason} handlers of {kind} are called `{id}`, at {} and at {}: give one of them `id = \"…\"`",
                Place(first),
                Place(second),
            ),
            Self::TwoVersions { kind, versions: [one, other], first, second } => write!(
                f,
                "handlers are for {kind} in version {one} at {}, and in version {other} at {}: an object is handled in \
                 one version, so let all take the same type",
                Place(first),
                Place(second),
            ),
            Self::EmptyId { site } => {
                write!(f, "the handler at {} has an empty id: give it a name", Place(site))
            }
            Self::ReservedId { id, site } => write!(
                f,
                "the handler at {} is called `{id}`, which is what the framework calls something of its own: give it \
                 another name by `id = \"…\"`",
                Place(site)
            ),
            Self::MissingState { handler, state, site } => write!(
                f,
                "handler `{handler}` at {} takes `State<{state}>`: give the operator `.state(…)` of that type",
                Place(site),
            ),
            Self::MissingParam { handler, param, given: None, site } => {
                write!(
                    f,
                    "handler `{handler}` at {} takes `Param<{param}>`: give it `param = …`",
                    Place(site)
                )
            }
            Self::MissingParam { handler, param, given: Some(given), site } => write!(
                f,
                "handler `{handler}` at {} takes `Param<{param}>`, but its `param` is of type `{given}`",
                Place(site)
            ),
            Self::Filter { handler, problem, site } => {
                write!(f, "handler `{handler}` at {} {problem}", Place(site))
            }
        }
    }
}

impl error::Error for StartError {}

/// `file:line`, as editors and terminals like it.
pub(crate) struct Place<'a>(pub(crate) &'a Site);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.0, self.0.1)
    }
}

#[cfg(test)]
mod tests;
