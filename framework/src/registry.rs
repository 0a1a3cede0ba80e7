//! Registry of an operator's handlers.

mod check;
mod filters;
mod indexes;
mod operators;
mod registered;
mod registrant;
mod start_error;
mod times;

pub(crate) use operators::LeftOut;
pub use registered::{Registered, Registration};
pub use start_error::StartError;

use crate::{
    extract::Indexes,
    families::{Activity, ActivityKind, EventHandler, Family, Handler},
    needs::Need,
};
use registered::registered;

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

    /// The indexes that its functions fill, which are empty.
    pub(crate) fn indexes(&self) -> Indexes {
        Indexes::of(indexes::functions(&self.handlers).map(|(_, function)| function.contents))
    }

    /// The event handlers of any kind.
    pub(crate) fn any_kind(&self) -> Vec<EventHandler> {
        let any = self.handlers.iter().filter(|handler| handler.kind.is_any());
        any.filter_map(|handler| match &handler.family {
            Family::Event(handler) => Some(handler.clone()),
            _ => None,
        })
        .collect()
    }
}

impl FromIterator<Handler> for Registry {
    fn from_iter<I: IntoIterator<Item = Handler>>(handlers: I) -> Self {
        let mut registry = Self::default();
        handlers.into_iter().for_each(|handler| registry.add(handler));
        registry
    }
}

#[cfg(test)]
mod tests;
