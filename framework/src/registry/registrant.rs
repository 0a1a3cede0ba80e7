//! Registrant: what takes arguments, and whether there is what they are made of.

use super::StartError;
use crate::{
    argument::{RequiredType, Requirements},
    call::States,
    families::{Activity, Handler, Parameter, SourceLocation},
};

/// A handler or an activity, as far as its arguments are concerned.
pub(super) struct Registrant<'a> {
    pub id: &'a str,
    pub requirements: &'a Requirements,
    param: Option<&'a Parameter>,
    pub location: SourceLocation,
}

impl<'a> Registrant<'a> {
    pub fn of_handler(handler: &'a Handler) -> Self {
        let Handler { requirements, location, .. } = handler;
        Self { id: handler.id(), requirements, param: handler.param(), location: *location }
    }

    pub fn of_activity(activity: &'a Activity) -> Self {
        let Activity { id, requirements, param, location, .. } = activity;
        Self { id, requirements, param: param.as_ref(), location: *location }
    }

    pub fn check_states(&self, states: &States) -> Result<(), StartError> {
        let missing = |(state, _): &&RequiredType| !states.contains_key(state);
        match self.requirements.states().iter().find(missing) {
            Some((_, state)) => {
                Err(StartError::MissingState { handler: self.id.to_owned(), state, location: self.location })
            }
            None => Ok(()),
        }
    }

    pub fn check_param(&self) -> Result<(), StartError> {
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
