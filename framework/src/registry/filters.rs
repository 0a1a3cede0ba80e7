//! Checks of filters: each could match an object.

use super::StartError;
use crate::{
    core::{
        essence::{Kept, kept},
        filter::{Filter, Match},
        storage::Storage,
    },
    families::{Family, Handler},
};

/// Checks that a filter is complete, and that there may be an object that it matches.
pub(super) fn check(handler: &Handler) -> Result<(), StartError> {
    let filter = handler.filter();
    let Filter { field, value, old, new, .. } = filter;
    let is_asked = value.is_some() || old.is_some() || new.is_some();
    let problem = if let Some(mistake) = &handler.mistake {
        for_no_object(mistake)
    } else if field.is_none() && handler.trigger() == "field" {
        "is for a field, but names none: give it a `field`".to_owned()
    } else if field.is_none() && is_asked {
        "has a `value`, `old` or `new`, but of no field: give it a `field`".to_owned()
    } else if value.is_some() && (old.is_some() || new.is_some()) {
        "has a `value` (before or after a change) together with `old` or `new`: leave one of them out"
            .to_owned()
    } else if let Err(why) = filter.check() {
        for_no_object(&why)
    } else {
        return Ok(());
    };
    Err(mistake(handler, problem))
}

/// Checks that the field of a change handler is part of the essence, with such values: nothing else is a change for it.
pub(super) fn check_essence(handler: &Handler, storage: &Storage) -> Result<(), StartError> {
    let (Family::Change(_), Some(field)) = (&handler.family, &handler.filter().field) else { return Ok(()) };
    let resource = &handler.kind.resource;
    let why = match kept(&resource.api_version, &resource.kind, field, storage) {
        Kept::Nothing => format!(
            "`{field}` is no part of the essence, whose changes it is called for, since the system or an operator writes \
             it: take `on_event`"
        ),
        Kept::Digest if compares(handler.filter()) => format!(
            "handlers of changes get digests of `{field}`, which are never such a value: take a condition, `when = …`"
        ),
        Kept::Digest | Kept::Value => return Ok(()),
    };
    Err(mistake(handler, for_no_object(&why)))
}

/// Whether the filter compares its field with values.
fn compares(Filter { value, old, new, .. }: &Filter) -> bool {
    let given = [value, old, new].into_iter().flatten();
    given.into_iter().any(|wanted| {
        matches!(wanted, Match::Is(value) if !value.is_null()) || matches!(wanted, Match::OneOf(_))
    })
}

fn for_no_object(why: &str) -> String {
    format!("is not for any object: {why}")
}

fn mistake(handler: &Handler, problem: String) -> StartError {
    StartError::Filter { handler: handler.id().to_owned(), problem, location: handler.location }
}
