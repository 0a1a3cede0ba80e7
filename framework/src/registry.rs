//! Registry of an operator's handlers, and their checks before it starts.

mod filters;
mod indexes;
mod operators;
mod times;

pub(crate) use operators::LeftOut;

use crate::{
    argument::{RequiredType, Requirements},
    call::States,
    core::storage::Storage,
    extract::Indexes,
    families::{Activity, ActivityKind, EventHandler, Family, Handler, Parameter, SourceLocation},
    needs::Need,
};
use kube::core::ApiResource;
use std::{
    collections::{BTreeSet, HashMap},
    error, fmt,
};

/// A handler's registration by an attribute: linked into the program, and collected when it starts.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration(pub fn() -> Registered);

/// What an attribute makes.
#[doc(hidden)]
#[derive(Debug)]
pub enum Registered {
    Handler(Box<Handler>),
    Activity(Box<Activity>),
    Need(Box<Need>),
}

impl From<Need> for Registered {
    fn from(need: Need) -> Self {
        Self::Need(Box::new(need))
    }
}

impl From<Handler> for Registered {
    fn from(handler: Handler) -> Self {
        Self::Handler(Box::new(handler))
    }
}

impl From<Activity> for Registered {
    fn from(activity: Activity) -> Self {
        Self::Activity(Box::new(activity))
    }
}

inventory::collect!(Registration);

/// The handlers and the activities of one operator, in the order of the source: by file, line, column and id.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    handlers: Vec<Handler>,
    activities: Vec<Activity>,
    /// The permissions that are declared beside functions.
    needs: Vec<Need>,
    /// What attributes have registered for operators of other names.
    left_out: Vec<LeftOut>,
}

impl Registry {
    /// All that attributes have registered in this program, also what is for operators of certain names: an operator with
    /// this registry has all of it. [`collect_for`](Self::collect_for) leaves out what is for others.
    pub fn collect() -> Self {
        let mut registry = Self::default();
        registered().for_each(|registered| registry.add_registered(registered));
        registry
    }

    /// All that attributes have registered in this program, except for what is for operators of other names.
    pub fn collect_for(operator: &str) -> Self {
        let mut registry = Self::default();
        registered().for_each(|registered| registry.add_for(operator, registered));
        registry
    }

    /// Adds what is for an operator of this name, or for any, and notes that it leaves out what isn't.
    pub(crate) fn add_for(&mut self, operator: &str, registered: Registered) {
        let left_out = match &registered {
            Registered::Handler(handler) => LeftOut::handler(handler, operator),
            Registered::Activity(activity) => LeftOut::activity(activity, operator),
            Registered::Need(need) if need.operator.as_deref().is_some_and(|only| only != operator) => return,
            Registered::Need(_) => None,
        };
        let Some(left_out) = left_out else { return self.add_registered(registered) };
        let at = self.left_out.partition_point(|other| other.place() <= left_out.place());
        self.left_out.insert(at, left_out);
    }

    fn add_registered(&mut self, registered: Registered) {
        match registered {
            Registered::Handler(handler) => self.add(*handler),
            Registered::Activity(activity) => self.add_activity(*activity),
            Registered::Need(need) => self.add_need(*need),
        }
    }

    /// Adds a handler.
    pub fn add(&mut self, handler: Handler) {
        let place = |handler: &Handler| (handler.location, handler.id().to_owned());
        let at = self.handlers.partition_point(|other| place(other) <= place(&handler));
        self.handlers.insert(at, handler);
    }

    /// Adds an activity.
    pub fn add_activity(&mut self, activity: Activity) {
        let place = |activity: &Activity| (activity.location, activity.id.clone());
        let at = self.activities.partition_point(|other| place(other) <= place(&activity));
        self.activities.insert(at, activity);
    }

    /// Adds a permission that something needs that is no handler.
    pub fn add_need(&mut self, need: Need) {
        let at = self.needs.partition_point(|other| other.location <= need.location);
        self.needs.insert(at, need);
    }

    /// The permissions that are declared beside functions, in the order of the source. Those that handlers and activities
    /// declare themselves are theirs.
    pub(crate) fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// The handlers, in the order of the source.
    pub fn handlers(&self) -> &[Handler] {
        &self.handlers
    }

    /// The activities, in the order of the source.
    pub fn activities(&self) -> &[Activity] {
        &self.activities
    }

    /// What is left out, in the order of the source.
    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The activities of one kind, in the order of the source.
    pub(crate) fn activities_of(&self, kind: ActivityKind) -> Vec<Activity> {
        self.activities.iter().filter(|activity| activity.kind == kind).cloned().collect()
    }

    /// The same with other handlers.
    pub(crate) fn map_handlers(self, change: impl Fn(Handler) -> Handler) -> Self {
        let handlers = self.handlers.into_iter().map(change).collect::<Self>().handlers;
        Self { handlers, ..self }
    }

    /// Checks for mistakes that the compiler can't find. Whether states are missing is known only after the start-up handlers
    /// of an operator that has some.
    ///
    /// # Errors
    /// The first mistake. Its text says what to do about it.
    pub fn check(&self, states: &States) -> Result<(), StartError> {
        if self.handlers.is_empty() {
            return Err(StartError::no_handlers(&self.left_out));
        }
        self.check_handlers()?;
        self.check_activities()?;
        self.registrants().try_for_each(|one| indexes::check_filled(&self.handlers, &one))?;
        let are_known = self.activities_of(ActivityKind::Startup).is_empty();
        let logins = self.activities.iter().filter(|activity| activity.kind == ActivityKind::Login);
        logins.map(Registrant::of_activity).try_for_each(|login| login.check_states(states))?;
        if are_known { self.check_states(states) } else { Ok(()) }
    }

    /// Checks that there is each state that something takes: once the start-up handlers have provided theirs.
    pub(crate) fn check_states(&self, states: &States) -> Result<(), StartError> {
        let later = self.activities.iter().filter(|activity| activity.kind != ActivityKind::Startup);
        let mut all =
            self.handlers.iter().map(Registrant::of_handler).chain(later.map(Registrant::of_activity));
        all.try_for_each(|one| one.check_states(states))
    }

    fn registrants(&self) -> impl Iterator<Item = Registrant<'_>> {
        let activities = self.activities.iter().map(Registrant::of_activity);
        self.handlers.iter().map(Registrant::of_handler).chain(activities)
    }

    fn check_activities(&self) -> Result<(), StartError> {
        let mut seen = HashMap::new();
        for activity in &self.activities {
            let Activity { id, kind, location, .. } = activity;
            if id.is_empty() {
                return Err(StartError::EmptyId { location: *location });
            }
            Registrant::of_activity(activity).check_param()?;
            self.check_resumed(&Registrant::of_activity(activity))?;
            if let Some(first) = seen.insert((kind, id), *location) {
                let (id, activity) = (id.clone(), kind.as_str());
                return Err(StartError::DuplicateActivity { id, activity, first, second: *location });
            }
        }
        Ok(())
    }

    fn check_handlers(&self) -> Result<(), StartError> {
        let (mut seen, mut versions) = (HashMap::new(), HashMap::new());
        for handler in &self.handlers {
            check_id(handler)?;
            filters::check(handler)?;
            times::check(handler)?;
            Registrant::of_handler(handler).check_param()?;
            self.check_resumed(&Registrant::of_handler(handler))?;
            let kind = (&handler.kind.resource.group, &handler.kind.resource.kind);
            let first = versions.entry(kind).or_insert(handler);
            if first.kind.resource.version != handler.kind.resource.version {
                return Err(StartError::versions(first, handler));
            }
            // The keys of progress records differ in these; a record says itself what its reason is.
            let resource = &handler.kind.resource;
            let id = Storage::spelling(handler.id());
            let key = (&resource.group, &resource.plural, handler.called_for(), id);
            if let Some(first) = seen.insert(key, handler) {
                return Err(StartError::duplicate(first, handler));
            }
        }
        indexes::check(&self.handlers)
    }

    /// The indexes that its functions fill, which are empty.
    pub(crate) fn indexes(&self) -> Indexes {
        Indexes::of(indexes::functions(&self.handlers).map(|(_, function)| function.contents))
    }
}

impl Registry {
    /// The event handlers of any kind.
    pub(crate) fn any_kind(&self) -> Vec<EventHandler> {
        let any = self.handlers.iter().filter(|handler| handler.kind.is_any());
        any.filter_map(|handler| match &handler.family {
            Family::Event(handler) => Some(handler.clone()),
            _ => None,
        })
        .collect()
    }

    /// Checks that there is something to call for triggers that a handler or an activity gives.
    fn check_resumed(&self, one: &Registrant<'_>) -> Result<(), StartError> {
        let resumes =
            |kind: &ApiResource| self.handlers.iter().any(|other| other.resumes() && other.kind.is_of(kind));
        match one.requirements.kinds_to_resume().iter().find(|kind| !resumes(kind)) {
            Some(kind) => Err(StartError::NothingToTrigger {
                handler: one.id.to_owned(),
                kind: kind.kind.clone(),
                location: one.location,
            }),
            None => Ok(()),
        }
    }

    /// Checks that what change handlers are called for isn't what is left out of the essence.
    pub(crate) fn check_essence(&self, storage: &Storage) -> Result<(), StartError> {
        self.handlers.iter().try_for_each(|handler| filters::check_essence(handler, storage))
    }

    /// Checks that no delete handler keeps objects of these kinds.
    pub(crate) fn check_selected<'a>(
        &self,
        mut selected: impl Iterator<Item = &'a ApiResource>,
    ) -> Result<(), StartError> {
        let keeps = |kind: &ApiResource| {
            self.handlers.iter().find(|handler| handler.keeps_objects() && handler.kind.resource == *kind)
        };
        match selected.find_map(keeps) {
            Some(handler) => Err(StartError::SelectedDeletion {
                handler: handler.id().to_owned(),
                kind: handler.kind.resource.kind.clone(),
                is_daemon: matches!(handler.family, Family::Daemon(_)),
                location: handler.location,
            }),
            None => Ok(()),
        }
    }
}

fn registered() -> impl Iterator<Item = Registered> {
    inventory::iter::<Registration>.into_iter().map(|registration| (registration.0)())
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

/// A handler or an activity, as far as its arguments are concerned.
struct Registrant<'a> {
    id: &'a str,
    requirements: &'a Requirements,
    param: Option<&'a Parameter>,
    location: SourceLocation,
}

impl<'a> Registrant<'a> {
    fn of_handler(handler: &'a Handler) -> Self {
        let Handler { requirements, location, .. } = handler;
        Self { id: handler.id(), requirements, param: handler.param(), location: *location }
    }

    fn of_activity(activity: &'a Activity) -> Self {
        let Activity { id, requirements, param, location, .. } = activity;
        Self { id, requirements, param: param.as_ref(), location: *location }
    }

    fn check_states(&self, states: &States) -> Result<(), StartError> {
        let missing = |(state, _): &&RequiredType| !states.contains_key(state);
        match self.requirements.states().iter().find(missing) {
            Some((_, state)) => {
                Err(StartError::MissingState { handler: self.id.to_owned(), state, location: self.location })
            }
            None => Ok(()),
        }
    }

    fn check_param(&self) -> Result<(), StartError> {
        let given = self.param;
        let other =
            |(param, _): &&RequiredType| given.is_none_or(|given| given.value.as_ref().type_id() != *param);
        match self.requirements.params().iter().find(other) {
            Some((_, param)) => Err(StartError::MissingParam {
                handler: self.id.to_owned(),
                param,
                given: given.map(|given| given.name),
                location: self.location,
            }),
            None => Ok(()),
        }
    }
}

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
    fn no_handlers(left_out: &[LeftOut]) -> Self {
        let others: BTreeSet<_> = left_out.iter().map(|left_out| left_out.operator.clone()).collect();
        Self::NoHandlers { others: others.into_iter().collect() }
    }

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

#[cfg(test)]
mod tests;
