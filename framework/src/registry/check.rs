//! Checks of a registry, before its operator starts.

use super::{Registry, StartError, filters, indexes, registrant::Registrant, times};
use crate::{
    call::States,
    core::storage::Storage,
    families::{Activity, ActivityKind, Family, Handler},
};
use kube::core::ApiResource;
use std::collections::HashMap;

impl Registry {
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

fn check_id(handler: &Handler) -> Result<(), StartError> {
    let (id, location) = (handler.id().to_owned(), handler.location);
    match id.as_str() {
        "" => Err(StartError::EmptyId { location }),
        name if Storage::reserves(name) => Err(StartError::ReservedId { id, location }),
        _ => Ok(()),
    }
}
